// Every cell as a bar, on a scale that is zoomed to the cells.

import { card, html, keyed, put, set } from './dom.js';
import { number, t } from './text.js';

/** Minimum span of the scale, V, so that noise of a millivolt does not look like a difference. */
const LEAST = 0.04;

/** Rounded ends of a scale that contains all cells. */
export function scale(cells) {
  const [min, max] = [Math.min(...cells), Math.max(...cells)];
  const pad = Math.max((LEAST - (max - min)) / 2, (max - min) * 0.25);
  const step = max - min > 0.2 ? 0.05 : 0.01;
  return [Math.max(0, Math.floor((min - pad) / step) * step), Math.ceil((max + pad) / step) * step];
}

export function cells() {
  const delta = html('strong');
  const summary = html('p', { class: 'muted summary' });
  const list = html('ol', { class: 'cells' });
  const range = html('p', { class: 'muted range' });
  const legend = html('ul', { class: 'legend' },
    [['highest', '▲', 'hi'], ['lowest', '▼', 'lo'], ['balances', '≈', 'bal']].map(([key, sign, name]) => html('li', { class: name }, html('b', { 'aria-hidden': 'true' }, sign), ` ${t(key)}`)));
  const node = card('cellcard wide', t('cells'), html('p', { class: 'delta' }, html('span', {}, t('delta')), delta), summary, list, html('div', { class: 'foot' }, legend, range));
  return {
    node,
    update(view) {
      const all = view.cell_voltages_v ?? [];
      put(delta, Number.isFinite(view.cell_delta_v) ? number(view.cell_delta_v * 1000, 0, 'mV') : '–');
      const mean = all.reduce((sum, cell) => sum + cell, 0) / all.length;
      const isBank = view.kind === 'bank' && !all.length;
      put(summary, !all.length && !Number.isFinite(view.cell_min_v) ? t('no_cells') : [
        `${t('lowest')}: ${number(view.cell_min_v, 3, 'V')} (${view.modules?.cell_min ?? view.cell_min_no ?? '–'})`,
        `${t('highest')}: ${number(view.cell_max_v, 3, 'V')} (${view.modules?.cell_max ?? view.cell_max_no ?? '–'})`,
        ...(isBank ? [] : [`${t('mean')}: ${number(mean, 3, 'V')}`]),
      ].join(' · '));
      legend.hidden = range.hidden = list.hidden = !all.length;
      keyed(list, `${all.length}`, () => all.map((_, index) => html('li', {},
        html('span', { class: 'no' }, `${index + 1}`), html('span', { class: 'col', 'aria-hidden': 'true' }, html('i')), html('span', { class: 'v' }), html('span', { class: 'sign', role: 'img' }))));
      if (!all.length) return;
      const [low, high] = scale(all.filter((cell) => cell > 0.5).length ? all.filter((cell) => cell > 0.5) : all);
      put(range, t('scale', { low: number(low, 2), high: number(high, 2, 'V') }));
      all.forEach((volts, index) => {
        const item = list.children[index];
        const no = index + 1;
        const marks = [[no === view.cell_max_no, 'highest', '▲', 'hi'], [no === view.cell_min_no, 'lowest', '▼', 'lo'],
          [view.balancing_cells?.includes(no), 'balances', '≈', 'bal'], [volts === 0, 'broken_wire', '✕', 'broken']].filter(([is]) => is);
        item.className = marks.map(([, , , name]) => name).join(' ');
        item.dataset.v = volts;
        item.querySelector('i').style.setProperty('--f', Math.min(1, Math.max(0, (volts - low) / (high - low))).toFixed(4));
        put(item.querySelector('.v'), number(volts, 3));
        const sign = item.querySelector('.sign');
        put(sign, marks.map(([, , text]) => text).join(''));
        set(sign, 'aria-label', marks.map(([, key]) => t(key)).join(', ') || false);
        sign.hidden = !marks.length;
      });
    },
  };
}
