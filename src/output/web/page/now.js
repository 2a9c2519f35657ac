// How full, which way, until when, what is allowed, and why.

import { card, html, keyed, put, set } from './dom.js';
import { colourOf } from './causes.js';
import { amps, moment, number, phrase, sized, span, t } from './text.js';

const ENERGY_REFRESH_MS = 300_000;
/** Beyond this a clock time says less than a span, s. */
const FAR = 72_000;

/** Remaining charge in Ah; computed if the BMS does not report it. */
function chargeLeft({ remaining_ah, soc_pct, capacity_ah }) {
  const all = number(capacity_ah, 0);
  if (Number.isFinite(remaining_ah)) return t('ah_of', { left: number(remaining_ah, 0), all });
  return Number.isFinite(soc_pct * capacity_ah) ? t('ah_of', { left: `≈ ${number((soc_pct * capacity_ah) / 100, 0)}`, all }) : '';
}

const direction = ({ current_a }) => (!Number.isFinite(current_a) ? 'unknown' : current_a > 0.05 ? 'charging' : current_a < -0.05 ? 'discharging' : 'idle');

/** A fact: what, how much, more. */
function fact(name) {
  const parts = ['k', 'v', 'd'].map((part) => html(part === 'v' ? 'strong' : 'span', { class: part }));
  return { node: html('div', { class: `fact ${name}` }, parts), parts, write: (...texts) => texts.forEach((text, i) => (i === 1 ? sized : put)(parts[i], text ?? '')) };
}

const kilowatts = (power) => (power >= 1000 ? number(power / 1000, power >= 10_000 ? 1 : 2, 'kW') : number(power, 0, 'W'));

/** Until when: only in the direction of the present current. */
function outlook(view) {
  const flow = direction(view);
  const [key, seconds] = flow === 'charging' ? ['full_at', view.time_to_full_s] : flow === 'discharging' ? ['empty_at', view.time_to_go_s] : [];
  if (!Number.isFinite(seconds)) return [t('temperature'), number(view.temperature_c, 1, '°C'), ''];
  if (seconds >= FAR) return [t(key === 'full_at' ? 'full_in' : 'lasts'), span(seconds), moment(Date.now() / 1000 + seconds, { weekday: 'short', hour: '2-digit', minute: '2-digit' })];
  const at = Math.round((Date.now() / 1000 + seconds) / 600) * 600;
  return [t(key), moment(at, { timeStyle: 'short' }), t('in_span', { span: span(seconds) })];
}

/** The bar from −DCL to +CCL with the present current in it. */
function allowance() {
  const piece = (name) => html('i', { class: name });
  const [out, into, heldOut, heldIn, flow] = ['o', 'i', 'held ho', 'held hi', 'flow'].map(piece);
  const [tickOut, tickIn] = ['tick', 'tick'].map(piece);
  const label = (name) => html('span', { class: `lab ${name}` });
  const [most, least, present, allowedIn, allowedOut, none] = ['upper right', 'upper left', 'upper mid', 'low mid', 'low mid', 'low zero'].map(label);
  const node = html('div', { class: 'allow', 'aria-hidden': 'true' }, least, most, present, html('div', { class: 'track' }, out, into, heldOut, heldIn, flow), tickOut, tickIn, none, allowedOut, allowedIn);
  const at = (element, from, to) => {
    element.style.setProperty('--x', `${(100 * from).toFixed(2)}%`);
    element.style.setProperty('--w', `${(100 * Math.max(0, to - from)).toFixed(2)}%`);
  };
  return {
    node,
    update({ limits = {}, current_a }) {
      const [ccl, dcl] = [limits.ccl_a, limits.dcl_a];
      node.hidden = !Number.isFinite(ccl) || !Number.isFinite(dcl);
      if (node.hidden) return;
      const mostIn = Math.max(limits.ccl?.max ?? 0, ccl, 1);
      const mostOut = Math.max(limits.dcl?.max ?? 0, dcl, 1);
      const all = mostIn + mostOut;
      const x = (current) => Math.min(1, Math.max(0, (mostOut + current) / all));
      const zero = x(0);
      at(out, 0, zero);
      at(into, zero, 1);
      for (const [held, of] of [[heldOut, limits.dcl], [heldIn, limits.ccl]]) set(held, 'data-by', of?.rule && colourOf(of.rule));
      at(heldOut, 0, x(-dcl));
      at(heldIn, x(ccl), 1);
      const known = Number.isFinite(current_a);
      const now = known ? x(current_a) : zero;
      at(flow, Math.min(zero, now), Math.max(zero, now));
      flow.className = `flow ${now < zero ? 'out' : 'in'}`;
      at(tickOut, x(-dcl), x(-dcl));
      at(tickIn, x(ccl), x(ccl));
      tickOut.hidden = dcl >= mostOut;
      tickIn.hidden = ccl >= mostIn;
      put(least, t('discharging_up_to', { limit: amps(mostOut) }));
      put(most, t('charging_up_to', { limit: amps(mostIn) }));
      const inside = (share) => Math.min(0.86, Math.max(0.14, share));
      at(present, Math.min(0.66, Math.max(0.36, (zero + now) / 2)), 1);
      put(present, known && Math.abs(current_a) > 0.05 ? amps(Math.abs(current_a)) : '');
      at(allowedIn, inside(x(ccl)), 1);
      at(allowedOut, inside(x(-dcl)), 1);
      put(allowedIn, tickIn.hidden ? '' : t('allowed', { limit: amps(ccl) }));
      put(allowedOut, tickOut.hidden ? '' : t('allowed', { limit: amps(dcl) }));
      at(none, zero, 1);
      put(none, '0');
      const far = (tick, current) => tick.hidden || Math.abs(inside(x(current)) - zero) > 0.14;
      none.hidden = !far(tickIn, ccl) || !far(tickOut, -dcl);
      // Two words would lie upon each other.
      allowedOut.hidden = !tickIn.hidden && Math.abs(inside(x(ccl)) - inside(x(-dcl))) < 0.2;
    },
  };
}

const volts = (value) => number(value, 2, 'V');
/** [key, abbreviation, limit, reason, present value, format, tolerance of a meter] */
const LIMITS = [
  ['charge_current', 'CCL', 'ccl_a', 'ccl_why', ({ current_a }) => (Number.isFinite(current_a) ? Math.max(0, current_a) : undefined), amps, 0.05],
  ['discharge_current', 'DCL', 'dcl_a', 'dcl_why', ({ current_a }) => (Number.isFinite(current_a) ? Math.max(0, -current_a) : undefined), amps, 0.05],
  ['charge_voltage', 'CVL', 'cvl_v', 'cvl_why', ({ voltage_v }) => voltage_v, volts, 0],
];

function limit([key, short, limit_, reason, present, write, slack]) {
  const value = html('strong');
  const why = html('p', { class: 'why' });
  const is_ = html('span', { class: 'now' });
  const mode = html('span', { class: 'pill mode', hidden: key !== 'charge_voltage' });
  const node = html('li', {}, html('h3', {}, t(key), ' ', html('abbr', {}, short)), html('p', { class: 'head' }, value, is_, mode), why);
  return {
    node,
    update(view) {
      const at = view.limits?.[limit_];
      const is = present(view);
      put(value, write(at));
      put(why, phrase(view.limits?.[reason]));
      const over = is > at * (1 + slack) + 0.1;
      set(node, 'data-over', over);
      // Nothing flows in this direction: no news.
      put(is_, is === 0 && !over ? '' : t(over ? 'now_over' : 'now', { value: write(is) }));
      set(node, 'data-by', view.limits?.[limit_.split('_')[0]]?.rule && colourOf(view.limits[limit_.split('_')[0]].rule));
      node.classList.toggle('zero', at === 0);
      const phase = view.limits?.mode?.toLowerCase();
      put(mode, phase ? t(`mode_${phase}`) : '–');
      mode.className = `pill mode ${phase === 'hold' ? 'bad' : ''}`;
    },
  };
}

/** Settings that differ between GX and configuration, with the value in force. */
const gxSetting = (setting) => html('li', {}, t(setting.refused ? 'gx_refused' : 'gx_holds', { configuration: t('gx_none'), ...setting }));

/** Energy per day by the driver's days: `show({ days, today, before })`, at once and every five minutes. Returns what ends it. */
export function daysOf(id, show) {
  let timer;
  let ended = false;
  const day = (unix) => new Date(unix).toISOString().slice(0, 10);
  async function load() {
    try {
      const answer = await fetch(`api/v1/history?id=${encodeURIComponent(id)}&range=year`, { cache: 'no-store' });
      if (answer.ok && !ended) {
        const { days = [], today = day(Date.now() - new Date().getTimezoneOffset() * 60_000) } = await answer.json();
        const before = day(Date.parse(`${today}T12:00:00Z`) - 86_400_000);
        show({ days, today, before });
      }
    } catch { /* shown as unknown */ }
    if (!ended) timer = setTimeout(load, ENERGY_REFRESH_MS);
  }
  load();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}

export function now(id) {
  const faces = ['rest', 'full'].map((name) => {
    const [percent, left] = [html('strong'), html('span')];
    return { node: html('p', { class: name, 'aria-hidden': name === 'full' ? 'true' : undefined }, percent, left), percent, left };
  });
  const gauge = html('div', { class: 'pack gauge', role: 'meter', 'aria-label': t('soc'), 'aria-valuemin': 0, 'aria-valuemax': 100 }, html('div', { class: 'body' }, faces.map(({ node }) => node)));
  const [flow, when, today] = ['flowfact', 'outlook', 'today'].map(fact);
  flow.parts[0].classList.add('direction');
  flow.parts[1].classList.add('power');
  today.write(t('today'), '–', '');
  const bar = allowance();
  const limits = LIMITS.map(limit);
  const observing = html('p', { class: 'banner note', hidden: true }, t('observing'));
  const gx = html('ul', { class: 'plain notes muted gx' });
  const node = card('charge wide', t('now_title'), html('div', { class: 'facts' }, gauge, flow.node, when.node, today.node), bar.node, observing,
    html('ul', { class: 'plain limits' }, limits.map((one) => one.node)), gx);
  const kwh = (value) => number(value, value < 100 ? 1 : 0);
  const end = daysOf(id, ({ days, today: present, before: last }) => {
    const [of, before] = [present, last].map((wanted) => days.find(({ date }) => date === wanted));
    const [value, more] = [today.parts[1], today.parts[2]];
    value.replaceChildren(...(of ? [kwh(of.charged_kwh), html('small', { class: 'in' }, t('in_short')), ' ', kwh(of.discharged_kwh), html('small', { class: 'out' }, t('out_short'))] : ['–']));
    put(more, before ? t('yesterday', { into: kwh(before.charged_kwh), out: kwh(before.discharged_kwh) }) : of ? 'kWh' : '');
  });
  return {
    node,
    end,
    update(view) {
      const soc = view.soc_pct;
      const text = number(soc, soc < 10 ? 1 : 0, '%');
      for (const { percent, left } of faces) {
        sized(percent, text);
        put(left, chargeLeft(view));
      }
      set(gauge, 'aria-valuenow', Number.isFinite(soc) ? Math.round(soc) : 0);
      set(gauge, 'aria-valuetext', `${text} ${faces[0].left.textContent}`);
      gauge.style.setProperty('--f', `${Number.isFinite(soc) ? Math.min(100, Math.max(0, soc)) : 0}%`);
      gauge.classList.toggle('low', soc < 15);
      gauge.classList.toggle('none', !Number.isFinite(soc));
      const way = direction(view);
      node.dataset.flow = way;
      // Some boards report the magnitude only; the current has the direction.
      flow.write(t(way)[0].toUpperCase() + t(way).slice(1), kilowatts(Math.abs(view.power_w)), `${amps(view.current_a)} · ${number(view.voltage_v, 2, 'V')}`);
      when.write(...outlook(view));
      bar.update(view);
      observing.hidden = view.control !== false || Boolean(view.bank);
      limits.forEach((one) => one.update(view));
      const settings = view.gx_settings ?? [];
      keyed(gx, JSON.stringify(settings), () => settings.map(gxSetting));
    },
  };
}
