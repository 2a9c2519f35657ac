// Temperatures, switches, line and identity: each creates its nodes once and then only changes texts.

import { card, html, keyed, put } from './dom.js';
import { amps, number, phrase, span, t } from './text.js';

/** Rows of name and value. `[key, value(view, more)]`; unknown ones are omitted unless `always`. */
function rows(list, always) {
  const parts = list.map(([key, value]) => ({ value, dt: html('dt', {}, t(key)), dd: html('dd') }));
  const node = html('dl', {}, parts.map(({ dt, dd }) => html('div', {}, dt, dd)));
  return {
    node,
    update(...given) {
      for (const { value, dd } of parts) {
        const text = value(...given);
        dd.parentNode.hidden = text === undefined && !always;
        put(dd, text ?? '–');
      }
    },
  };
}

const known = (value, write) => (value === undefined ? undefined : write(value));
const quantity = (digits, unit) => (value) => number(value, digits, unit);

/** All sensors. */
export function temperatures() {
  const list = html('dl', { class: 'sensors' });
  const node = card('temperatures', t('temperatures'), list);
  return {
    node,
    update(view) {
      const sensors = [
        ...(view.temperatures_c ?? []).map((degrees, index) => {
          const name = view.temperature_names?.[index] || t('sensor', { n: index + 1 });
          return [view.temperatures_ignored?.includes(index + 1) ? t('sensor_ignored', { name }) : name, degrees];
        }),
        ...(view.mos_temperature_c === undefined ? [] : [[t('mosfets'), view.mos_temperature_c]]),
        ...(view.board_temperature_c === undefined ? [] : [[t('board'), view.board_temperature_c]]),
      ];
      keyed(list, `${sensors.length}\n${sensors.map(([name]) => name).join('\n')}`, () => (sensors.length ? sensors : [[t('no_sensor')]]).map(([name]) => html('div', {}, html('dt', {}, name), html('dd'))));
      sensors.forEach(([, degrees], index) => put(list.children[index].lastChild, number(degrees, 1, '°C')));
    },
  };
}

const onOff = (value, on, off) => (value === undefined ? undefined : t(value ? on : off));

/** Switches of the BMS and balancing. */
export function switches() {
  const facts = rows([
    ['charge_fet', ({ charge_fet }) => onOff(charge_fet, 'conducts', 'blocks')],
    ['discharge_fet', ({ discharge_fet }) => onOff(discharge_fet, 'conducts', 'blocks')],
    ['balancer', ({ balancing, balancing_cells, balance_current_a }) => {
      if (!balancing) return onOff(balancing, '', 'idle');
      const which = balancing_cells?.length ? t('balances_cells', { cells: balancing_cells.join(', ') }) : t('balances');
      return balance_current_a ? `${which}, ${number(balance_current_a, 2, 'A')}` : which;
    }],
    ['balance_allowed', ({ balance_allowed }) => onOff(balance_allowed, 'yes', 'no')],
    ['heater', ({ heating, heating_current_a }) => (heating ? (heating_current_a ? `${t('on')}, ${number(heating_current_a, 2, 'A')}` : t('on')) : undefined)],
    ['bms_ccl', ({ bms_ccl_a }) => known(bms_ccl_a, amps)],
    ['bms_dcl', ({ bms_dcl_a }) => known(bms_dcl_a, amps)],
    ['bms_cvl', ({ bms_cvl_v }) => known(bms_cvl_v, (value) => number(value, 2, 'V'))],
  ]);
  const [charging, discharging] = facts.node.querySelectorAll('dd');
  const notes = html('ul', { class: 'plain notes muted' });
  const node = card('switches', t('switches'), facts.node, notes);
  return {
    node,
    update(view) {
      facts.update(view);
      const texts = view.notes ?? [];
      keyed(notes, texts.join('\n'), () => texts.map((note) => html('li', {}, phrase(note))));
      charging.className = view.charge_fet === false ? 'off' : view.charge_fet ? 'on' : '';
      discharging.className = view.discharge_fet === false ? 'off' : view.discharge_fet ? 'on' : '';
    },
  };
}

/** Requests so far; a bank has no line of its own. */
const asked = (line) => (line?.ok ?? 0) + (line?.lost ?? 0) + (line?.damaged ?? 0);

/** Quality of the line to the BMS, and the output to an inverter. */
export function link() {
  const facts = rows([
    ['last_reading', (_, { age }) => known(age, (s) => t('ago', { span: span(s) }))],
    ['line', ({ line }) => known(asked(line) ? line.state : undefined, (state) => (state === 'good' ? t('line_good') : phrase(line.text)))],
    ['answers', ({ line }) => (asked(line) ? t('answered', { share: number((100 * line.ok) / asked(line), 1, '%'), n: number(asked(line), 0) }) : undefined)],
    ['good_replies', ({ line }) => known(line?.good_day_pct, (day) => [line.good_minute_pct, line.good_hour_pct, day].map((share) => number(share, 1)).join(' / ') + '\u00a0%')],
    ['lost_damaged', ({ line }) => (asked(line) ? `${number(line.lost, 0)} / ${number(line.damaged, 0)}` : undefined)],
    ['connection', ({ connection }) => connection],
    ['service', ({ service }) => service?.replace('com.victronenergy.', '')],
    ['can', ({ can }) => known(can, ({ interface: name, profile, up }) => `${name}, ${profile}${up ? '' : ` – ${t('can_down')}`}`)],
    ['heartbeat', ({ can }) => known(can, ({ heartbeat }) => t(heartbeat === undefined ? 'undecided' : heartbeat ? 'inverter_heard' : 'inverter_silent'))],
    ['can_says', ({ can }) => known(can?.says, (says) => t(`says_${says}`))],
    ['rs485', ({ rs485 }) => known(rs485, ({ port, protocol, fault }) => `${port}, ${protocol}${fault ? ` – ${phrase(fault)}` : ''}`)],
    ['rs485_asks', ({ rs485 }) => known(rs485, ({ heartbeat, requests = [], asked_age_s }) => (heartbeat ? t('asks', { requests: requests.join(', '), span: span(asked_age_s) }) : t(heartbeat === undefined ? 'undecided' : 'inverter_silent')))],
    ['rs485_says', ({ rs485 }) => known(rs485?.says, (says) => t(`says_${says}`))],
  ]);
  const [, quality] = facts.node.querySelectorAll('dd');
  return {
    node: card('link', t('link'), facts.node),
    update(view, more) {
      facts.update(view, more);
      quality.className = !view.line?.state ? '' : view.line.state === 'good' ? 'on' : 'off';
    },
  };
}

/** Identity and counters. */
export function about() {
  const kwh = quantity(1, 'kWh');
  const facts = rows([
    ['product', ({ product }) => product || undefined],
    ['model', ({ model }) => model],
    ['serial_number', ({ serial_number }) => serial_number],
    ['firmware', ({ sw_version, hw_version }) => [sw_version, hw_version].filter(Boolean).join(' / ') || undefined],
    ['production_date', ({ production_date }) => production_date],
    ['chemistry', ({ chemistry }) => known(chemistry, (name) => name.toUpperCase())],
    ['soh', ({ soh_pct }) => known(soh_pct, quantity(0, '%'))],
    ['bms_soc', ({ bms_soc_pct, soc_pct }) => (Math.abs(bms_soc_pct - soc_pct) >= 1 ? number(bms_soc_pct, 0, '%') : undefined)],
    ['cycles', ({ cycles }) => known(cycles, quantity(0))],
    ['capacity', ({ capacity_ah }) => known(capacity_ah, quantity(0, 'Ah'))],
    ['charged', ({ history = {} }) => known(history.charged_kwh, kwh)],
    ['discharged', ({ history = {} }) => known(history.discharged_kwh, kwh)],
    ['deepest', ({ history = {} }) => known(history.deepest_discharge_ah, quantity(0, 'Ah'))],
    ['last_full', ({ history = {} }) => known(history.since_full_s, (s) => t('ago', { span: span(s) }))],
    ['voltage_range', ({ history = {} }) => known(history.voltage_min_v, (v) => `${number(v, 2)} – ${number(history.voltage_max_v, 2, 'V')}`)],
    ['cell_range', ({ history = {} }) => known(history.cell_min_v, (v) => `${number(v, 3)} – ${number(history.cell_max_v, 3, 'V')}`)],
    ['temperature_range', ({ history = {} }) => known(history.temperature_min_c, (v) => `${number(v, 0)} – ${number(history.temperature_max_c, 0, '°C')}`)],
    ['protection_cell', ({ cell_uvp_v, cell_ovp_v }) => known(cell_ovp_v, (v) => `${number(cell_uvp_v, 2)} – ${number(v, 2, 'V')}`)],
    ['protection_current', ({ charge_ocp_a, discharge_ocp_a }) => known(charge_ocp_a, (a) => `${number(a, 0)} / ${number(discharge_ocp_a, 0, 'A')}`)],
  ]);
  return { node: card('about wide', t('about'), facts.node), update: facts.update };
}
