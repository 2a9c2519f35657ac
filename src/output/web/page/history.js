// Charts over an hour, a day, a week or a month; energy over a year.

import { card, html, keyed, put, remembered, set } from './dom.js';
import { amps, number, ruleWords, t, watts } from './text.js';
import { colourOf } from './causes.js';
import { chart } from './chart.js';
import { idsOf, onLog, sentence } from './log.js';

/** Length, s; duration of an energy bar, s; refresh interval, s; time format. */
const RANGES = {
  hour: [3600, 300, 20, { hour: '2-digit', minute: '2-digit' }],
  day: [86400, 3600, 60, { hour: '2-digit', minute: '2-digit' }],
  week: [7 * 86400, 86400, 300, { weekday: 'short', hour: '2-digit', minute: '2-digit' }],
  month: [31 * 86400, 86400, 600, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }],
  year: [366 * 86400, 7 * 86400, 3600, { day: 'numeric', month: 'short', year: 'numeric' }],
};

const kwh = (value) => (Math.abs(value) < 1 ? number(value * 1000, 0, 'Wh') : number(value, value < 100 ? 2 : 0, 'kWh'));
const short = (value) => number(value, Number.isInteger(value) ? 0 : Math.abs(value) < 1 ? 2 : 1);

/** Energy in and out, Wh, summed over periods that begin at round local times; kWh. */
export function energy(moments, into, out, piece) {
  const offset = -new Date().getTimezoneOffset() * 60;
  const sums = [new Map(), new Map()];
  moments.forEach((time, i) => {
    const at = Math.floor((time + offset) / piece) * piece - offset;
    [into[i], out[i]].forEach((wh, way) => Number.isFinite(wh) && sums[way].set(at, (sums[way].get(at) ?? 0) + wh / 1000));
  });
  const begins = [...sums[0].keys(), ...sums[1].keys()];
  const all = [];
  for (let time = Math.min(...begins); begins.length && time <= Math.max(...begins); time += piece) all.push(time);
  return [all, ...sums.map((sum) => all.map((time) => sum.get(time)))];
}

const size = (value) => watts(Math.abs(value));

/** Events that are marked in the chart of the power. */
const MARKED = ['alarm', 'silence', 'full', 'override', 'switch'];

export function history(id) {
  let range = Object.hasOwn(RANGES, remembered.get('range') ?? '') ? remembered.get('range') : 'day';
  const buttons = Object.keys(RANGES).map((name) => html('button', { 'data-range': name, onclick: () => choose(name) }, t(`range_${name}`)));
  const told = html('p', { class: 'muted', role: 'status' });
  const move = (time) => charts.forEach((one) => one.cursor(time));
  const make = (title, rest) => chart({ title: t(title), onmove: move, ...rest });
  const line = (name, css, kind = 'line') => ({ name: t(name), css, kind });
  const soc = make('soc', { series: [line('soc', 'c1', 'area')], write: (v) => number(v, 1, '%'), axis: (v) => number(v, 0, '%'), ends: [0, 100] });
  const power = make('power', { series: [{ ...line('power', 'c1', 'area'), split: true }, { ...line('ccl', 'c6', 'curtain'), write: size }, { ...line('dcl', 'c6', 'curtain'), below: true, write: size }], write: watts, axis: (v) => (Math.abs(v) >= 1000 ? `${short(v / 1000)} kW` : `${short(v)} W`), zero: true, ends: [-100, 100], room: 1.2 });
  const rulesShown = html('ul', { class: 'legend ruleshown' });
  power.node.querySelector('.legend').after(rulesShown);
  const flow = make('energy', { series: [line('energy_in', 'c1', 'bar'), line('energy_out', 'c3', 'bar')], write: kwh, axis: (v) => (v === 0 ? '0' : v < 1 ? `${short(v * 1000)} Wh` : `${short(v)} kWh`), zero: true });
  const spread = make('spread', { series: [line('delta', 'c4', 'area')], write: (v) => number(v, 0, 'mV'), axis: (v) => `${short(v)} mV`, zero: true });
  const caps = make('limit_currents', { series: [line('ccl', 'c1', 'step'), line('dcl', 'c3', 'step'), line('current', 'c5')], write: amps, axis: (v) => `${short(v)} A`, zero: true });
  const cvl = make('voltages', { series: [line('cvl', 'c1', 'step'), line('voltage', 'c5')], write: (v) => number(v, 2, 'V'), axis: (v) => `${short(v)} V` });
  const charts = [power, soc, flow, spread, caps, cvl];
  const node = card('history', t('history'), html('div', { class: 'segment ranges', role: 'group', 'aria-label': t('range') }, buttons), told,
    html('div', { class: 'charts' }, charts.map((one) => one.node)));
  let timer;
  let asked = 0;
  let entries = [];
  let shown;
  let limits = {};
  let ids = [id];

  /** The time of each rule that was felt, as the log has it, and of the present one: { what, rule, battery, from, to, lowest }. */
  function spans(to) {
    const felt = entries.filter(({ kind, id: of }) => kind === 'limit' && of === id).map(({ what, rule, at, ended }) => ({ what, rule, from: at, to: ended ?? to }));
    const now = [['charge', limits.ccl], ['discharge', limits.dcl]].filter(([, limit]) => limit?.since && limit.value < limit.max * 0.999).map(([what, { rule, since }]) => ({ what, rule, from: since, to }));
    return [...felt, ...now].filter(({ from, rule }) => Number.isFinite(from) && rule);
  }

  /** Per step the rule that set the limit for most of it. */
  function rulesOf(what, moments, to) {
    const all = spans(to).filter((span) => span.what === what);
    const step = moments.length > 1 ? moments[1] - moments[0] : 0;
    const words = new Map();
    const named = (rule) => words.get(rule) ?? words.set(rule, { rule, colour: colourOf(rule), name: ruleWords(rule) }).get(rule);
    return moments.map((at) => {
      let best;
      let most = 0;
      for (const { rule, from, to: end } of all) {
        const share = Math.min(at + step, end) - Math.max(at, from);
        if (share > most) [best, most] = [rule, share];
      }
      return best && named(best);
    });
  }

  function choose(name) {
    range = name;
    remembered.set('range', name);
    load();
  }

  async function load() {
    clearTimeout(timer);
    const mine = ++asked;
    const [length, piece, again, how] = RANGES[range];
    buttons.forEach((button) => set(button, 'aria-pressed', String(button.dataset.range === range)));
    try {
      const answer = await fetch(`api/v1/history?id=${encodeURIComponent(id)}&range=${range}`, { cache: 'no-store' });
      if (!answer.ok) throw new Error(`${answer.status}`);
      const data = await answer.json();
      if (mine !== asked) return;
      fill(data, length, piece, how);
      put(told, '');
    } catch {
      if (mine === asked) put(told, t('history_failed'));
    }
    if (mine === asked) timer = setTimeout(load, again * 1000);
  }

  function fill(data, length, piece, how) {
    // Without a set clock the device only knows the age of the data.
    const to = data.now ?? Date.now() / 1000;
    const moments = data.t ?? (data.age_s ?? []).map((age) => to - age);
    const column = (name) => data[name] ?? moments.map(() => undefined);
    const between = [to - length, to];
    // For a year only the energy of each day is stored.
    const isYear = Boolean(data.days);
    charts.forEach((one) => { one.node.hidden = isYear && one !== flow; });
    if (isYear) {
      const noons = data.days.map(({ date }) => Date.parse(`${date}T12:00:00Z`) / 1000);
      const wh = (key) => data.days.map((day) => day[key] * 1000);
      const [at, into, out] = energy(noons, wh('charged_kwh'), wh('discharged_kwh'), piece);
      flow.fill(at, [into, out], [Math.min(between[0], at[0] ?? to), Math.max(to, (at.at(-1) ?? 0) + piece)], how, piece);
      shown = undefined;
      node.dataset.filled = range;
      return;
    }
    soc.fill(moments, [column('soc_pct')], between, how);
    shown = () => drawPower(moments, column, between, how, to);
    shown();
    const [at, into, out] = energy(moments, column('charged_wh'), column('discharged_wh'), piece);
    flow.fill(at, [into, out], [Math.min(between[0], at[0] ?? to), Math.max(to, (at.at(-1) ?? 0) + piece)], piece < 86400 ? how : { day: 'numeric', month: 'short' }, piece);
    spread.fill(moments, [column('cell_delta_v').map((v) => (v == null ? v : v * 1000))], between, how);
    caps.fill(moments, [column('ccl_a'), column('dcl_a'), column('current_a')], between, how);
    cvl.fill(moments, [column('cvl_v'), column('voltage_v')], between, how);
    node.dataset.filled = range;
  }

  /** The limits as power, so that cause and effect share an axis. */
  function drawPower(moments, column, between, how, to) {
    const volts = column('voltage_v');
    const allowed = (name, sign) => column(name).map((amps_, i) => (amps_ == null || volts[i] == null ? undefined : sign * amps_ * volts[i]));
    const rules = [[], rulesOf('charge', moments, to), rulesOf('discharge', moments, to)];
    const marks = entries.filter(({ kind, id: of, at }) => MARKED.includes(kind) && ids.includes(of) && Number.isFinite(at))
      .map((entry) => ({ time: entry.at, css: entry.kind, words: sentence(entry, ids.length > 1).filter(Boolean).join(' · ') }));
    power.fill(moments, [column('power_w'), allowed('ccl_a', 1), allowed('dcl_a', -1)], between, how, 0, { rules, marks });
    const all = [...new Map(rules.flat().filter(Boolean).map((one) => [one.rule, one])).values()];
    keyed(rulesShown, all.map(({ rule }) => rule).join(), () => all.map(({ colour, name }) => html('li', {}, html('i', { class: `sw ${colour}`, 'aria-hidden': 'true' }), name)));
    rulesShown.hidden = !all.length;
  }

  const endLog = onLog((list) => {
    entries = list;
    shown?.();
  });
  load();
  return {
    node,
    update(view, { all }) {
      const next = idsOf(view, all);
      const changed = next.join() !== ids.join() || ['ccl', 'dcl'].some((which) => view.limits?.[which]?.rule !== limits[which]?.rule);
      [ids, limits] = [next, view.limits ?? {}];
      if (changed) shown?.();
    },
    end() {
      endLog();
      asked += 1;
      clearTimeout(timer);
      charts.forEach((one) => one.end());
    },
  };
}
