// The present limits of the battery, and the rules that set them.

import { card, html, keyed, put, set } from './dom.js';
import { amps, number, phrase, t } from './text.js';

const volts = (value) => number(value, 2, 'V');

/** [key, abbreviation, limit, reason, present value, format, tolerance of a meter] */
const LIMITS = [
  ['charge_voltage', 'CVL', 'cvl_v', 'cvl_why', ({ voltage_v }) => voltage_v, volts, 0],
  ['charge_current', 'CCL', 'ccl_a', 'ccl_why', ({ current_a }) => (Number.isFinite(current_a) ? Math.max(0, current_a) : undefined), amps, 0.05],
  ['discharge_current', 'DCL', 'dcl_a', 'dcl_why', ({ current_a }) => (Number.isFinite(current_a) ? Math.max(0, -current_a) : undefined), amps, 0.05],
];

/** Settings that differ between GX and configuration, with the value in force. */
const gxSetting = (setting) => html('li', {}, t(setting.refused ? 'gx_refused' : 'gx_holds', { configuration: t('gx_none'), ...setting }));

export function limits() {
  const mode = html('span', { class: 'pill mode' });
  const observing = html('p', { class: 'banner note', hidden: true }, t('observing'));
  const parts = LIMITS.map(([key, short, limit, reason, present, write, slack]) => {
    const value = html('strong');
    const why = html('p', { class: 'why' });
    const now = html('span', { class: 'now' });
    const bar = html('span', { class: 'bar', 'aria-hidden': 'true' }, html('i'));
    const node = html('li', {}, html('div', { class: 'head' }, html('h3', {}, t(key), ' ', html('abbr', {}, short)), value), bar, now, why);
    return {
      node,
      update(view) {
        const at = view.limits?.[limit];
        const is = present(view);
        put(value, write(at));
        put(why, phrase(view.limits?.[reason]));
        // Voltage: only the last tenth below the limit is meaningful.
        const from = limit === 'cvl_v' ? at * 0.9 : 0;
        const share = at > from && Number.isFinite(is) ? (is - from) / (at - from) : 0;
        const over = is > at * (1 + slack) + 0.1;
        bar.firstChild.style.setProperty('--f', over ? 1 : Math.min(1, Math.max(0, share)).toFixed(3));
        set(node, 'data-over', over);
        put(now, t(over ? 'now_over' : 'now', { value: write(is) }));
        node.classList.toggle('zero', at === 0);
      },
    };
  });
  const gx = html('ul', { class: 'plain notes muted gx' });
  const node = card('limits', t('limits'), mode, observing, html('ul', { class: 'plain' }, parts.map((part) => part.node)), gx);
  return {
    node,
    update(view) {
      const phase = view.limits?.mode?.toLowerCase();
      put(mode, phase ? t(`mode_${phase}`) : '–');
      mode.className = `pill mode ${phase === 'hold' ? 'bad' : ''}`;
      observing.hidden = view.control !== false || Boolean(view.bank);
      parts.forEach((part) => part.update(view));
      const settings = view.gx_settings ?? [];
      keyed(gx, JSON.stringify(settings), () => settings.map(gxSetting));
    },
  };
}
