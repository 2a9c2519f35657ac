// The generator's state with its reason, and the request by hand, which ends by itself.

import { access } from './access.js';
import { confirmed } from './commands.js';
import { html, put, set } from './dom.js';
import { deviceState, span, t } from './text.js';

const HOURS = [1, 2, 4, 8, 24];
const ADDRESS = 'api/v1/devices/generator/commands';

/** Values that are shown here and not in the card's list. */
export const OWN_VALUES = ['running', 'reason', 'reason_key', 'state_s', 'by_hand_s'];

export function generator() {
  const state = html('strong');
  const since = html('span', { class: 'muted' });
  const reason = html('p');
  const byHand = html('p', { class: 'muted' });
  const { form, forget, status, post, isOpen } = access(() => last && update(last), 'generator-token');
  const hours = html('select', { 'aria-label': t('limit_time') }, HOURS.map((n) => html('option', { value: n }, `${n}\u00a0h`)));
  const seconds = () => hours.value * 3600;
  const send = (value) => post(ADDRESS, { command: 'generator', value }, t('generator_taken'));
  const buttons = html('div', { class: 'token', role: 'group', 'aria-label': t('generator_by_hand') }, hours,
    html('button', { class: 'run', onclick: async () => await confirmed(t('generator_ask', { span: span(seconds()) })) && send(`run for ${seconds()}`) }, t('generator_run')),
    html('button', { class: 'stop', onclick: () => send(`stop for ${seconds()}`) }, t('generator_stop')),
    html('button', { class: 'automatic', onclick: () => send('automatic') }, t('generator_automatic')));
  const node = html('div', { class: 'generator' }, html('p', {}, state, ' ', since), reason, byHand, form, buttons, forget, status);
  let last;

  function update(device) {
    last = device;
    const of = (key) => (device.fresh ? device.values[key]?.value : undefined);
    const running = of('running');
    put(state, running === undefined ? '–' : t(running ? 'generator_runs' : 'generator_stands'));
    put(since, running === undefined ? '' : t('for_span', { span: span(of('state_s')) }));
    put(reason, running === undefined ? '' : deviceState(of('reason')));
    const left = of('by_hand_s');
    byHand.hidden = left === undefined;
    put(byHand, left === undefined ? '' : t('generator_left', { span: span(left) }));
    const takes = Boolean(device.commands?.includes('generator'));
    form.hidden = !takes || isOpen();
    buttons.hidden = forget.hidden = !takes || !isOpen();
    status.hidden = !takes;
    const offline = document.body.classList.contains('offline');
    for (const button of node.querySelectorAll('button')) button.disabled = offline;
    set(node, 'data-runs', running);
  }
  return { node, update };
}
