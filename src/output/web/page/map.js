// The batteries of a bank with all their cells: a row per battery, a square per cell, colour only where a cell deviates.

import { card, html, keyed, lazyCellDay, put, set } from './dom.js';
import { amps, number, phrase, span, t } from './text.js';
import { membersOf } from './notices.js';

/** From this number of batteries on, only squares that deviate carry numbers. */
const MANY = 5;
/** Cells under this voltage are sense wires that are broken, V. */
const BROKEN = 0.5;

/** Median of the plausible cells: one bad cell moves a mean, and would colour all good ones. */
export function median(cells) {
  const known = cells.filter((volts) => volts > BROKEN).sort((a, b) => a - b);
  const middle = known.length / 2;
  return known.length ? (known[Math.ceil(middle) - 1] + known[Math.floor(middle)]) / 2 : undefined;
}

/** Quiet zone and end of the colours, mV: narrow where the voltage of LFP is flat, wide where it is steep. */
export function steps(cells, chemistry) {
  const known = cells.filter((volts) => volts > BROKEN);
  const steep = (chemistry && chemistry !== 'lfp') || known.some((volts) => volts > 3.4 || volts < 3.15);
  return steep ? [20, 60] : [3.5, 15];
}

/** 0: as the others; 1 to 3: how much higher, −1 to −3: lower. */
export function level(deviation, [quiet, end]) {
  const size = Math.abs(deviation);
  return size <= quiet ? 0 : Math.sign(deviation) * Math.min(3, 1 + Math.floor((3 * (size - quiet)) / (end - quiet)));
}

export const signed = (mv) => `${Math.round(mv) > 0 ? '+' : ''}${number(Math.round(mv) || 0, 0)}`;

const spreadText = (modules) => (modules?.charge_spread_ah === undefined ? undefined
  : t('charge_spread', { ah: number(modules.charge_spread_ah, 1, 'Ah'), confidence: t(`confidence_${modules.charge_spread_confidence}`), advice: phrase(modules.charge_spread_advice) }));

/** Which battery is switched off for equal charge, and why. */
const switchingText = (modules) => (modules?.switching_state === undefined ? undefined
  : t('equal_charge', { state: t(`switching_${modules.switching_state}`, { name: modules.switching_battery ?? '' }), why: phrase(modules.switching_reason) }));

export function map() {
  const summary = html('p', { class: 'muted summary' });
  const grid = html('div', { class: 'map', role: 'grid', 'aria-label': t('members_cells') });
  const drawer = html('p', { class: 'drawer', role: 'status' });
  const key = html('ul', { class: 'legend' });
  const day = lazyCellDay();
  const node = card('members wide', t('members_cells'), html('p', { class: 'muted sub' }, t('from_median')), summary, grid, key, html('div', { class: 'drawerbox' }, drawer, day.node));
  let rows = [];
  /** [battery, cell] that the drawer shows, and that the Tab key reaches. */
  let chosen;

  function choose(battery, cell, focus) {
    chosen = [battery, cell];
    rows.forEach(({ tiles }, b) => tiles.forEach((tile, c) => {
      const is = b === battery && c === cell;
      set(tile, 'tabindex', is ? 0 : -1);
      set(tile, 'aria-selected', is ? 'true' : 'false');
      if (is && focus) tile.focus();
    }));
    say();
  }

  grid.addEventListener('click', ({ target }) => {
    const tile = target.closest('[data-at]');
    if (tile) choose(...tile.dataset.at.split(' ').map(Number));
  });
  grid.addEventListener('keydown', (event) => {
    const tile = event.target.closest('[data-at]');
    if (!tile) return;
    let [battery, cell] = tile.dataset.at.split(' ').map(Number);
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -cell], End: [0, 999] }[event.key];
    if (!step) return;
    event.preventDefault();
    do battery += step[0]; while (step[0] && rows[battery] && !rows[battery].tiles.length);
    if (!rows[battery]) return;
    cell = Math.min(rows[battery].tiles.length - 1, Math.max(0, cell + step[1]));
    choose(battery, cell, true);
  });

  /** The cell that deviates most is shown until one is chosen: that is what one would ask for. */
  function suggest() {
    if (chosen || document.documentElement.classList.contains('kiosk')) return;
    let worst;
    rows.forEach(({ view, steps: found }, battery) => {
      if (view?.freshness !== 'fresh' || !found.some((step) => step)) return;
      const middle = median(view.cell_voltages_v);
      view.cell_voltages_v.forEach((volts, cell) => {
        const away = Math.abs(volts - middle);
        if (found[cell] && away > (worst?.away ?? 0)) worst = { battery, cell, away };
      });
    });
    if (worst) choose(worst.battery, worst.cell);
  }

  function say() {
    const row = chosen && rows[chosen[0]];
    const view = row?.view;
    const volts = view?.cell_voltages_v?.[chosen?.[1]];
    if (!Number.isFinite(volts)) {
      day.show();
      put(drawer, rows.some(({ tiles }) => tiles.length) ? t('choose_cell') : '');
      return;
    }
    day.show(view.id, chosen[1]);
    const no = chosen[1] + 1;
    const middle = median(view.cell_voltages_v);
    const marks = [no === view.cell_max_no && t('highest'), no === view.cell_min_no && t('lowest'), view.balancing_cells?.includes(no) && t('balances')].filter(Boolean);
    put(drawer, [`${row.name} · ${t('cell_no', { n: no })}: ${number(volts, 3, 'V')}`, volts > BROKEN ? `${signed((volts - middle) * 1000)}\u00a0mV` : t('broken_wire'), ...marks].join(' · '));
  }

  function build(members) {
    const most = Math.max(1, ...members.map(([, view]) => view?.cell_voltages_v?.length ?? 0));
    const cell = (text, name, role = 'gridcell') => html('span', { role, class: name }, text);
    const head = html('div', { role: 'row', class: 'row head' }, cell(t('battery'), 'who', 'columnheader'), cell(t('soc_short'), 'num', 'columnheader'), cell(t('current'), 'num', 'columnheader'), cell(t('hottest'), 'num', 'columnheader'),
      html('span', { class: 'tiles', role: 'presentation' }, Array.from({ length: most }, (_, index) => cell(`${index + 1}`, 'tile no', 'columnheader'))), cell(t('delta'), 'num', 'columnheader'));
    // Where there is little room, what all names begin with is left out.
    const start = (members.length > 1 ? members.map(([name]) => name).reduce((all, name) => { while (!name.startsWith(all)) all = all.slice(0, -1); return all; }) : '').replace(/[^ ]*$/, '');
    const short = (name) => (start ? [html('span', { class: 'start' }, start), name.slice(start.length)] : [name]);
    grid.classList.toggle('short', Boolean(start));
    rows = members.map(([name, view], battery) => {
      const tiles = Array.from({ length: view?.cell_voltages_v?.length ?? 0 }, (_, index) => html('span', { role: 'gridcell', class: 'tile', tabindex: -1, 'aria-selected': 'false', 'data-at': `${battery} ${index}` }));
      const parts = ['soc', 'current', 'hottest', 'difference'].map((part) => cell('', `num ${part}`));
      const who = html('span', { role: 'rowheader', class: 'who' }, view ? html('a', { href: `#${view.id}` }, short(name)) : short(name));
      const body = html('span', { class: 'tiles', role: tiles.length ? 'presentation' : 'gridcell' }, tiles);
      return { name, tiles, parts, body, seen: [], steps: [], node: html('div', { role: 'row', class: 'row' }, who, parts.slice(0, 3), body, parts[3]) };
    });
    const [battery, at] = chosen ?? [rows.findIndex(({ tiles }) => tiles.length), 0];
    for (const { body } of [{ body: head.children[4] }, ...rows]) body.style.setProperty('--n', most);
    grid.classList.toggle('many', members.length >= MANY);
    queueMicrotask(() => {
      // The first square is reached by Tab, but none is chosen before somebody does.
      const first = rows[battery]?.tiles[at];
      if (first) set(first, 'tabindex', 0);
    });
    return [head, ...rows.map((row) => row.node)];
  }

  return {
    node,
    update(view, { all, ageOf }) {
      node.hidden = view.kind !== 'bank';
      if (node.hidden) return;
      const members = membersOf(view, all);
      const { online, offline, blocking_charge, blocking_discharge } = view.modules ?? {};
      put(summary, [(offline || blocking_charge || blocking_discharge) && online !== undefined && t('online', { n: online }), offline && t('offline', { n: offline }), blocking_charge && t('blocking_charge', { n: blocking_charge }),
        blocking_discharge && t('blocking_discharge', { n: blocking_discharge }), spreadText(view.modules), switchingText(view.modules)].filter(Boolean).join(' · '));
      keyed(grid, JSON.stringify(members.map(([name, other]) => [name, other?.id, other?.cell_voltages_v?.length])), () => build(members));
      const fresh = members.map(([, other]) => other).filter((other) => other?.cell_voltages_v?.length);
      const known = fresh.flatMap(({ id, cell_voltages_v }) => cell_voltages_v.map((volts, index) => ({ at: `${id} ${index}`, volts }))).filter(({ volts }) => volts > BROKEN);
      // Each once in the bank, the first of equal ones.
      const highest = known.reduce((best, one) => (one.volts > (best?.volts ?? -1) ? one : best), undefined)?.at;
      const lowest = known.reduce((best, one) => (one.volts < (best?.volts ?? 99) ? one : best), undefined)?.at;
      const scales = new Set();
      members.forEach(([, other, member], battery) => {
        const { node: row, tiles, parts, body } = rows[battery];
        rows[battery].view = other;
        const isFresh = other?.freshness === 'fresh';
        row.classList.toggle('gone', !isFresh);
        const [soc, current, hottest, difference] = parts;
        soc.style.setProperty('--f', `${isFresh && Number.isFinite(other.soc_pct) ? other.soc_pct : 0}%`);
        put(soc, isFresh ? number(other.soc_pct, 0, '%') : '–');
        put(current, isFresh ? amps(other.current_a) : '–');
        put(hottest, isFresh ? number(other.temperature_max_c ?? other.temperature_c, 0, '°C') : '–');
        put(difference, isFresh ? (Number.isFinite(other.cell_delta_v) ? number(other.cell_delta_v * 1000, 0, 'mV') : '–') : other && Number.isFinite(ageOf(other.id)) ? span(ageOf(other.id)) : t('no_data'));
        if (!tiles.length) put(body, isFresh ? t('no_cells_short') : t(member && !other ? 'not_there' : 'no_data'));
        const cells = other?.cell_voltages_v ?? [];
        const middle = median(cells);
        const scale = steps(cells, other?.chemistry);
        if (cells.length) scales.add(scale[1]);
        let worst = 0;
        cells.forEach((volts, index) => {
          const tile = tiles[index];
          const at = `${other.id} ${index}`;
          const seen = [volts, middle, scale[1], at === highest, at === lowest, other.balancing_cells?.includes(index + 1)].join();
          const shown = rows[battery].seen;
          if (shown[index] === seen) {
            worst = Math.abs(rows[battery].steps[index]) > Math.abs(worst) ? rows[battery].steps[index] : worst;
            return;
          }
          shown[index] = seen;
          const no = index + 1;
          const broken = volts <= BROKEN;
          const mv = (volts - middle) * 1000;
          const step = broken ? 0 : level(mv, scale);
          rows[battery].steps[index] = step;
          worst = Math.abs(step) > Math.abs(worst) ? step : worst;
          const marks = [[at === highest, '▲', 'highest'], [at === lowest, '▼', 'lowest'], [other.balancing_cells?.includes(no), '≈', 'balances'], [broken, '✕', 'broken_wire']].filter(([is]) => is);
          set(tile, 'class', `tile ${step ? (step > 0 ? 'hi' : 'lo') + Math.abs(step) : ''} ${broken ? 'none' : ''}`.trim());
          tile.replaceChildren(members.length < MANY || step || marks.length ? (broken ? '' : signed(mv)) : '', html('small', {}, marks.map(([, sign]) => sign).join('')));
          set(tile, 'aria-label', [t('cell_no', { n: no }), number(volts, 3, 'V'), broken ? undefined : `${signed(mv)}\u00a0mV`, ...marks.map(([, , word]) => t(word))].filter(Boolean).join(', '));
        });
        difference.classList.toggle('warned', isFresh && worst !== 0);
      });
      suggest();
      keyed(key, [...scales].join(), () => [...scales].map((end) => html('li', { class: 'ramp' }, `−${end}\u00a0mV `, ['lo3', 'lo2', 'lo1', '', 'hi1', 'hi2', 'hi3'].map((name) => html('i', { class: `tile ${name}` })), ` +${end}\u00a0mV`))
        .concat([['▲', 'highest'], ['▼', 'lowest'], ['≈', 'balances']].map(([sign, word]) => html('li', {}, html('b', { 'aria-hidden': 'true' }, sign), ` ${t(word)}`))));
      say();
    },
  };
}
