// Charge, alarms, temperatures, switches, line and identity: each creates its nodes once and then only changes texts.

import { card, html, keyed, put, set, svg } from './dom.js';
import { alarmWords, amps, number, phrase, span, t, watts } from './text.js';

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

/** Active alarms with their remedies, and a missing connection. */
export function alarms() {
  const stale = html('p', { class: 'banner alarm stale', hidden: true });
  const list = html('ul', { class: 'plain' });
  const node = html('div', { class: 'alarms wide', 'aria-live': 'polite' }, stale, list);
  return {
    node,
    update(view, { age }) {
      const isStale = view.freshness !== 'fresh';
      stale.hidden = !isStale;
      if (isStale) put(stale, t(`stale_${view.freshness}`, { span: age === undefined ? '–' : span(age) }));
      set(stale, 'aria-live', 'off');
      document.body.classList.toggle('unheard', isStale);
      const active = view.alarms ?? [];
      keyed(list, JSON.stringify(active), () => active.map((alarm) => {
        const [text, remedy] = alarmWords(alarm);
        return html('li', { class: `banner ${alarm.level}` }, html('strong', {}, `${t(alarm.level)}: ${text}`), html('span', {}, remedy));
      }));
    },
  };
}

const GAUGE = 'M 31.2 128.8 A 69 69 0 1 1 128.8 128.8';

/** Remaining charge in Ah; computed if the BMS does not report it. */
function chargeLeft({ remaining_ah, soc_pct, capacity_ah }) {
  const all = number(capacity_ah, 0);
  if (Number.isFinite(remaining_ah)) return t('ah_of', { left: number(remaining_ah, 0), all });
  return Number.isFinite(soc_pct * capacity_ah) ? t('ah_of', { left: `≈ ${number((soc_pct * capacity_ah) / 100, 0)}`, all }) : '';
}

/** State of charge and the flow of power. */
export function charge() {
  const arc = svg('path', { d: GAUGE, class: 'arc', pathLength: 100, 'stroke-dasharray': '0 200' });
  const percent = html('strong');
  const left = html('span');
  const gauge = html('div', { class: 'gauge', role: 'meter', 'aria-label': t('soc'), 'aria-valuemin': 0, 'aria-valuemax': 100 },
    svg('svg', { viewBox: '0 0 160 146', 'aria-hidden': 'true' }, svg('path', { d: GAUGE, class: 'track' }), arc), percent, left);
  const power = html('strong', { class: 'power' });
  const direction = html('span', { class: 'direction' });
  const chevrons = svg('svg', { class: 'chevrons', viewBox: '0 0 88 16', 'aria-hidden': 'true' },
    [0, 1, 2, 3, 4].map((n) => svg('path', { d: `M ${6 + n * 18} 2 l 6 6 l -6 6` })));
  const facts = rows([
    ['voltage', ({ voltage_v }) => number(voltage_v, 2, 'V')],
    ['current', ({ current_a }) => number(current_a, 1, 'A')],
    ['time_to_go', ({ time_to_go_s }) => known(time_to_go_s, span)],
    ['temperature', ({ temperature_c }) => known(temperature_c, quantity(1, '°C'))],
    ['soh', ({ soh_pct }) => known(soh_pct, quantity(0, '%'))],
    ['bms_soc', ({ bms_soc_pct, soc_pct }) => (Math.abs(bms_soc_pct - soc_pct) >= 1 ? number(bms_soc_pct, 0, '%') : undefined)],
  ]);
  const name = html('p', { class: 'name' });
  const node = card('charge', t('charge'), name, html('div', { class: 'split' }, gauge,
    html('div', { class: 'flowbox' }, power, html('p', { class: 'arrows' }, chevrons, direction), facts.node)));
  return {
    node,
    update(view) {
      const soc = view.soc_pct;
      const text = number(soc, soc < 10 ? 1 : 0, '%');
      put(name, view.name);
      put(percent, text);
      put(left, chargeLeft(view));
      set(gauge, 'aria-valuenow', Number.isFinite(soc) ? Math.round(soc) : 0);
      set(gauge, 'aria-valuetext', `${text} ${left.textContent}`);
      set(arc, 'stroke-dasharray', `${soc ?? 0} 200`);
      set(arc, 'visibility', soc > 0 ? undefined : 'hidden');
      gauge.classList.toggle('low', soc < 15);
      const flow = !Number.isFinite(view.current_a) ? 'unknown' : view.current_a > 0.05 ? 'charging' : view.current_a < -0.05 ? 'discharging' : 'idle';
      node.dataset.flow = flow;
      // Some boards report the magnitude only; the current has the direction.
      put(power, watts(Math.abs(view.power_w)));
      put(direction, t(flow));
      facts.update(view);
    },
  };
}

/** The difference of charge between the batteries, with what to do about it. */
const spreadText = (modules) => known(modules?.charge_spread_ah, (ah) =>
  t('charge_spread', { ah: number(ah, 1, 'Ah'), confidence: t(`confidence_${modules.charge_spread_confidence}`), advice: phrase(modules.charge_spread_advice) }));

/** Which battery is switched off for equal charge, and why. */
const switchingText = (modules) => known(modules?.switching_state, (state) =>
  t('equal_charge', { state: t(`switching_${state}`, { name: modules.switching_battery ?? '' }), why: phrase(modules.switching_reason) }));

/** The batteries of a bank. */
export function members(id) {
  const list = html('ul', { class: 'plain modules' });
  const summary = html('p', { class: 'muted' });
  const node = card('members wide', t('members'), summary, list);
  return {
    node,
    update(view, { all, ageOf }) {
      node.hidden = view.kind !== 'bank';
      if (node.hidden) return;
      const others = all.filter((other) => other.kind !== 'bank');
      const named = others.filter((other) => other.bank && (other.bank === view.name || `bank_${other.bank}` === id));
      // Batteries without a reported bank belong to it if their number equals its number of members.
      const own = named.length || others.length !== view.modules?.online + view.modules?.offline ? named : others;
      const { online, offline, blocking_charge, blocking_discharge } = view.modules ?? {};
      put(summary, [known(online, (n) => t('online', { n })), offline && t('offline', { n: offline }), blocking_charge && t('blocking_charge', { n: blocking_charge }),
        blocking_discharge && t('blocking_discharge', { n: blocking_discharge }), spreadText(view.modules), switchingText(view.modules)].filter(Boolean).join(' · '));
      keyed(list, own.map((other) => `${other.id} ${other.name}`).join(), () => own.map((other) => html('li', {},
        html('a', { href: `#${other.id}` }, other.name), html('span', { class: 'bar', 'aria-hidden': 'true' }, html('i')), html('span', { class: 'values' }))));
      own.forEach((other, index) => {
        const item = list.children[index];
        item.querySelector('i').style.setProperty('--f', (other.soc_pct ?? 0) / 100);
        const values = other.freshness === 'fresh'
          ? [number(other.soc_pct, 0, '%'), number(other.voltage_v, 2, 'V'), amps(other.current_a)].join(' · ')
          : t('no_data_for', { span: span(ageOf(other.id)) });
        put(item.querySelector('.values'), values);
        item.classList.toggle('gone', other.freshness !== 'fresh');
      });
    },
  };
}

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
