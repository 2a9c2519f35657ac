// Why it was limited: each rule with the time for which it held a current below the maximum, and for which that was felt.

import { card, html, keyed, set } from './dom.js';
import { amps, moment, ruleWords, span, t } from './text.js';

const REFRESH_MS = 60_000;
const RANGES = { today: 1, yesterday: 1, week: 7 };
const DAY_MS = 86_400_000;

const daysAgo = (today, n) => new Date(Date.parse(`${today}T12:00:00Z`) - n * DAY_MS).toISOString().slice(0, 10);

/** The rules of several days as one list, the longest felt first. */
function summed(days) {
  const all = new Map();
  for (const rule of days.flatMap(({ rules }) => rules)) {
    const key = `${rule.direction} ${rule.rule} ${rule.battery}`;
    const known = all.get(key);
    all.set(key, !known ? { ...rule } : {
      ...known, limited_s: known.limited_s + rule.limited_s, felt_s: known.felt_s + rule.felt_s, zero_s: known.zero_s + rule.zero_s,
      from: Math.min(known.from, rule.from), to: Math.max(known.to, rule.to), lowest_a: Math.min(known.lowest_a, rule.lowest_a), cell: rule.lowest_a < known.lowest_a ? rule.cell : known.cell,
    });
  }
  return [...all.values()].sort((a, b) => b.felt_s - a.felt_s || b.limited_s - a.limited_s);
}

/** The colour of a rule: of the cells, of the owner, of what is wrong. */
export const colourOf = (rule) => (/owner/.test(rule) ? 'own' : /cell/.test(rule) ? 'cell' : /recovering|slowly/.test(rule) ? 'ramp' : /forbids|no_data|silent|broken|unclear|unknown/.test(rule) ? 'bad' : 'other');

const time = (unix, isDay) => moment(unix, isDay ? { timeStyle: 'short' } : { weekday: 'short', hour: '2-digit', minute: '2-digit' });

function part(direction, rules, isDay) {
  const own = rules.filter((rule) => rule.direction === direction && rule.limited_s >= 60);
  const sum = (key) => own.reduce((all, rule) => all + rule[key], 0);
  const said = [sum('felt_s') >= 60 && t('causes_felt', { span: span(sum('felt_s')) }), sum('zero_s') >= 60 && t('causes_zero', { span: span(sum('zero_s')) })].filter(Boolean).join(' ');
  if (!own.length) return [html('p', { class: 'none' }, t(`causes_not_${direction}`))];
  return [html('h3', {}, t(`causes_${direction}`)), html('p', { class: 'total' }, span(sum('limited_s'))), html('p', { class: 'muted' }, said || t('causes_unfelt')),
    html('ul', { class: 'plain cause' }, own.map((rule) => html('li', {}, html('i', { class: `sw ${colourOf(rule.rule)}`, 'aria-hidden': 'true' }), html('span', {}, ruleWords(rule.rule)), html('strong', {}, span(rule.limited_s)),
      html('small', {}, [rule.battery, rule.cell && t('cell_no', { n: rule.cell }), t('down_to', { limit: amps(rule.lowest_a) }), `${time(rule.from, isDay)} – ${time(rule.to, isDay)}`, rule.felt_s >= 60 && t('felt', { span: span(rule.felt_s) })].filter(Boolean).join(' · '))))) ];
}

export function causes(id) {
  let range = 'today';
  let data;
  let timer;
  let ended = false;
  const buttons = Object.keys(RANGES).map((name) => html('button', { 'data-days': name, onclick: () => { range = name; draw(); } }, t({ today: 'today', yesterday: 'yesterday_word', week: 'days_7' }[name])));
  const body = html('div', { class: 'body' });
  const node = card('causes', t('causes'), html('div', { class: 'segment', role: 'group', 'aria-label': t('range') }, buttons), body);
  node.hidden = true;

  async function load() {
    try {
      const answer = await fetch(`api/v1/limited?id=${encodeURIComponent(id)}`, { cache: 'no-store' });
      if (answer.ok && !ended) data = await answer.json();
    } catch { /* the last ones stay */ }
    if (ended) return;
    draw();
    timer = setTimeout(load, REFRESH_MS);
  }

  function draw() {
    buttons.forEach((button) => set(button, 'aria-pressed', String(button.dataset.days === range)));
    if (!data) return;
    const today = data.today ?? data.days[0]?.date ?? new Date().toISOString().slice(0, 10);
    const wanted = range === 'yesterday' ? [daysAgo(today, 1)] : Array.from({ length: RANGES[range] }, (_, n) => daysAgo(today, n));
    const rules = summed(data.days.filter(({ date }) => wanted.includes(date)));
    keyed(body, JSON.stringify(rules), () => (rules.some(({ limited_s }) => limited_s >= 60) ? ['charge', 'discharge'].flatMap((direction) => part(direction, rules, range !== 'week'))
      : [html('p', { class: 'total' }, t('causes_none')), html('p', { class: 'muted' }, t('causes_none_more'))]));
  }

  load();
  return {
    node,
    // The limits of a battery in a bank are those of the bank.
    update(view) { node.hidden = !data || Boolean(view.bank); },
    end() {
      ended = true;
      clearTimeout(timer);
    },
  };
}
