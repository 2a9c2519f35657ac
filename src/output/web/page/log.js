// What happened: alarms, felt limits, silence and what somebody has set, with start, duration, place and the worst value.

import { card, html, keyed, put, set, svg } from './dom.js';
import { alarmWords, amps, moment, number, ruleWords, span, t } from './text.js';
import { membersOf, valueOf } from './notices.js';

const REFRESH_MS = 30_000;
/** Rows before the rest is unfolded. */
const FIRST = 6;
/** Where no list of limits stands above it. */
const FIRST_ALONE = 14;
const FILTERS = { all: () => true, alarms: ({ kind }) => ['alarm', 'silence', 'cable', 'line', 'excess'].includes(kind), limits: ({ kind }) => kind === 'limit' || kind === 'override' };

const PATHS = {
  warn: 'M12 4 2.8 19.5h18.4L12 4Z M12 10v4.2M12 17v.1', check: 'M20.5 12a8.5 8.5 0 1 1-17 0a8.5 8.5 0 0 1 17 0Z m8 12.2 M8 12.2l2.8 2.8L16 9.6',
  link: 'M4 12h4l2-5 4 10 2-5h4', limit: 'M4 17a8 8 0 1 1 16 0 M12 17l4-6', clock: 'M20.5 12a8.5 8.5 0 1 1-17 0a8.5 8.5 0 0 1 17 0Z M12 7.5V12l3 2', off: 'M12 4v8 M7 6.8a8 8 0 1 0 10 0',
};
const ICONS = { alarm: 'warn', excess: 'warn', silence: 'link', cable: 'link', line: 'link', limit: 'limit', override: 'clock', switch: 'off', full: 'check' };
const icon = (name) => svg('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true' }, svg('path', { d: PATHS[name] }));

const LINES = { damaging: 'log_line_damaging', losing: 'log_line_losing', repeating: 'log_line_repeating' };

/** [what, more] of an entry. `several`: the name of the battery is said. */
export function sentence(entry, several) {
  const { kind, what, name, battery, cell, sensor, value, by, rule } = entry;
  const who = [battery ?? (several ? name : undefined), cell && t('cell_no', { n: cell }), sensor && t('sensor', { n: sensor })];
  const more = (...parts) => [...who, ...parts].filter(Boolean).join(' · ');
  switch (kind) {
    case 'alarm': return [`${t(entry.level ?? 'warning')}: ${alarmWords({ name: what, text: entry.text })[0]}`, more(valueOf({ name: what, value }))];
    case 'limit': return [t(what === 'discharge' ? 'log_limit_discharge' : 'log_limit_charge', { why: ruleWords(rule) }), more(Number.isFinite(value) && t('down_to', { limit: amps(value) }))];
    case 'silence': return [t('members_silent', { names: name }), ''];
    case 'cable': return [t('members_silent', { names: battery ?? name }), t('cable_short')];
    case 'line': return [t(LINES[what] ?? 'cable_some'), more()];
    case 'excess': return [t('charge_excess', { name }), more(Number.isFinite(value) && amps(value))];
    case 'override': return [what === 'full' ? t('override_full', { name }) : t(`override_${what}`, { name, limit: amps(value) }), by ? t('set_by', { by }) : ''];
    case 'switch': return [t('off_by', { what: t(`command_${what}`), name }), by ? t('set_by', { by }) : ''];
    case 'full': return [t('log_full', { name }), ''];
    default: return [what, more()];
  }
}

const dayOf = (unix) => (Number.isFinite(unix) ? moment(unix, { weekday: 'long', day: 'numeric', month: 'long' }) : t('time_unknown'));

/** The name of a day: today, yesterday, or its date. */
function dayName(unix) {
  const now = Date.now() / 1000;
  return dayOf(unix) === dayOf(now) ? t('today') : dayOf(unix) === dayOf(now - 86_400) ? t('yesterday_word') : dayOf(unix);
}

const lasted = ({ active, lasted_s, times, kind }) => [times > 1 && `${times} ×`, active ? t('log_active') : kind === 'full' ? '' : span(lasted_s)].filter(Boolean).join(' ');

function row(entry, several) {
  const [what, more] = sentence(entry, several);
  return html('li', { class: `${entry.kind} ${entry.level ?? ''}` }, html('span', { class: 'tm' }, Number.isFinite(entry.at) ? moment(entry.at, { timeStyle: 'short' }) : '–'), html('span', { class: 'ic' }, icon(ICONS[entry.kind] ?? 'clock')),
    html('span', { class: 'tx' }, html('strong', {}, what), html('span', { class: 'du' }, lasted(entry)), more && html('small', {}, more)));
}

/** The batteries whose entries are shown: those of a bank with it. */
export const idsOf = (view, all) => [view.id, ...(view.kind === 'bank' ? membersOf(view, all).map(([, other]) => other?.id).filter(Boolean) : [])];

const readers = new Set();
let last;
/** Calls `tell(entries)` with the log, now and each time it is read; returns what ends it. */
export function onLog(tell) {
  readers.add(tell);
  if (last) tell(last);
  return () => readers.delete(tell);
}

export function log(id) {
  let filter = 'all';
  let entries;
  let ids = [id];
  let several = false;
  let isOpen = false;
  let first = FIRST;
  let ended = false;
  let timer;
  let seen;
  const buttons = Object.keys(FILTERS).map((name) => html('button', { 'data-filter': name, onclick: () => { filter = name; draw(); } }, t(`log_${name}`)));
  const list = html('div', { class: 'log' });
  const more = html('button', { class: 'quiet', onclick: () => { isOpen = true; draw(); } }, t('log_more'));
  const node = card('logcard', t('log'), html('div', { class: 'segment', role: 'group', 'aria-label': t('log_filter') }, buttons), list, more);

  async function load() {
    clearTimeout(timer);
    try {
      const answer = await fetch('api/v1/log?limit=500', { cache: 'no-store' });
      if (answer.ok && !ended) {
        ({ entries } = await answer.json());
        last = entries;
        readers.forEach((tell) => tell(entries));
      }
    } catch { /* the last ones stay */ }
    if (ended) return;
    draw();
    timer = setTimeout(load, REFRESH_MS);
  }

  function draw() {
    buttons.forEach((button) => set(button, 'aria-pressed', String(button.dataset.filter === filter)));
    const own = (entries ?? []).filter((entry) => ids.includes(entry.id) && FILTERS[filter](entry));
    const shown = own.slice(0, isOpen ? own.length : first);
    more.hidden = shown.length === own.length;
    keyed(list, JSON.stringify([shown, several]), () => {
      if (!shown.length) return [html('p', { class: 'muted' }, entries ? t('log_none') : t('waiting'))];
      const days = Map.groupBy ? Map.groupBy(shown, ({ at }) => dayName(at)) : shown.reduce((map, one) => map.set(dayName(one.at), [...(map.get(dayName(one.at)) ?? []), one]), new Map());
      return [...days].flatMap(([day, of]) => [html('h3', {}, day), html('ul', { class: 'plain' }, of.map((entry) => row(entry, several)))]);
    });
  }

  load();
  return {
    node,
    update(view, { all }) {
      const next = idsOf(view, all);
      const members = next.slice(1);
      const news = JSON.stringify([view.alarms?.map(({ name }) => name), view.overrides_set, view.switched_off_by, view.freshness, members, view.modules?.offline]);
      if (seen !== undefined && news !== seen) {
        clearTimeout(timer);
        timer = setTimeout(load, 1500);
      }
      seen = news;
      const most = view.bank ? FIRST_ALONE : FIRST;
      if (next.join() !== ids.join() || most !== first) {
        [ids, several, first] = [next, members.length > 0, most];
        draw();
      }
    },
    end() {
      ended = true;
      clearTimeout(timer);
    },
  };
}
