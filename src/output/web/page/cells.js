// Every cell of a battery as a bar from the median, on a fixed scale.

import { card, html, keyed, lazyCellDay, put, set } from './dom.js';
import { number, t } from './text.js';
import { level, median, signed, steps } from './map.js';

export function cells() {
  const delta = html('strong');
  const summary = html('p', { class: 'muted summary' });
  const list = html('ol', { class: 'cells' });
  const range = html('p', { class: 'muted range' });
  const legend = html('ul', { class: 'legend' },
    [['highest', '▲', 'hi'], ['lowest', '▼', 'lo'], ['balances', '≈', 'bal']].map(([key, sign, name]) => html('li', { class: name }, html('b', { 'aria-hidden': 'true' }, sign), ` ${t(key)}`)));
  const day = lazyCellDay();
  const which = html('select', { 'aria-label': t('cell_choose'), onchange: () => choose(which.selectedIndex - 1) });
  const node = card('cellcard wide', t('cells'), html('p', { class: 'delta' }, html('span', {}, t('delta')), delta), summary, list, html('div', { class: 'foot' }, legend, range),
    html('div', { class: 'drawerbox' }, html('p', { class: 'drawer' }, html('span', {}, `${t('cell_day_title')} `), which), day.node));
  let chosen = -1;

  /** The cell that deviates most is shown until one is chosen. */
  function worst(all, middle, scale) {
    const away = all.map((volts) => (volts > 0.5 && level((volts - middle) * 1000, scale) ? Math.abs(volts - middle) : 0));
    const most = Math.max(0, ...away);
    return most > 0 ? away.indexOf(most) : -1;
  }
  let battery;

  /** By mouse or finger on its bar, by keyboard in the list. */
  function choose(index) {
    chosen = index;
    which.selectedIndex = index + 1;
    [...list.children].forEach((item, n) => item.classList.toggle('chosen', n === index));
    day.show(index < 0 ? undefined : battery, index);
  }
  list.addEventListener('click', ({ target }) => {
    const item = target.closest('li');
    if (item) choose([...list.children].indexOf(item));
  });
  return {
    node,
    update(view) {
      const all = view.cell_voltages_v ?? [];
      // The cells of a bank are in the rows of its batteries.
      node.hidden = view.kind === 'bank';
      if (node.hidden) return;
      put(delta, Number.isFinite(view.cell_delta_v) ? number(view.cell_delta_v * 1000, 0, 'mV') : '–');
      const middle = median(all);
      put(summary, !all.length && !Number.isFinite(view.cell_min_v) ? t('no_cells') : [
        `${t('lowest')}: ${number(view.cell_min_v, 3, 'V')} (${view.cell_min_no ?? '–'})`,
        `${t('highest')}: ${number(view.cell_max_v, 3, 'V')} (${view.cell_max_no ?? '–'})`,
        `${t('median')}: ${number(middle, 3, 'V')}`,
      ].join(' · '));
      legend.hidden = range.hidden = list.hidden = which.parentNode.parentNode.hidden = !all.length;
      battery = view.id;
      keyed(which, `${all.length}`, () => [html('option', {}, '–'), ...all.map((_, index) => html('option', {}, t('cell_no', { n: index + 1 })))]);
      const found = chosen >= 0 ? chosen : worst(all, middle, steps(all, view.chemistry));
      if (found >= 0) choose(found);
      keyed(list, `${all.length}`, () => all.map((_, index) => html('li', {},
        html('span', { class: 'no' }, `${index + 1}`), html('span', { class: 'col', 'aria-hidden': 'true' }, html('i')), html('span', { class: 'v' }), html('span', { class: 'sign', role: 'img' }))));
      if (!all.length) return;
      list.style.setProperty('--n', Math.ceil(all.length / Math.ceil(all.length / 16)));
      const scale = steps(all, view.chemistry);
      put(range, t('scale_median', { end: scale[1] }));
      all.forEach((volts, index) => {
        const item = list.children[index];
        const no = index + 1;
        const mv = volts > 0.5 ? (volts - middle) * 1000 : 0;
        const marks = [[no === view.cell_max_no, 'highest', '▲', 'hi'], [no === view.cell_min_no, 'lowest', '▼', 'lo'],
          [view.balancing_cells?.includes(no), 'balances', '≈', 'bal'], [volts === 0, 'broken_wire', '✕', 'broken']].filter(([is]) => is);
        item.className = [...marks.map(([, , , name]) => name), index === chosen && 'chosen'].filter(Boolean).join(' ');
        item.dataset.v = volts;
        const bar = item.querySelector('i');
        const share = Math.min(1, Math.abs(mv) / scale[1]) * 50;
        const step = level(mv, scale);
        set(bar, 'class', step ? (step > 0 ? `hi${step}` : `lo${-step}`) : undefined);
        bar.style.setProperty('--from', `${(mv < 0 ? 50 - share : 50).toFixed(2)}%`);
        bar.style.setProperty('--size', `${share.toFixed(2)}%`);
        put(item.querySelector('.v'), number(volts, 3));
        set(item, 'title', `${signed(mv)}\u00a0mV`);
        const sign = item.querySelector('.sign');
        put(sign, marks.map(([, , text]) => text).join(''));
        set(sign, 'aria-label', marks.map(([, key]) => t(key)).join(', ') || false);
        sign.hidden = !marks.length;
      });
    },
  };
}
