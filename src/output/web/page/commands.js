// Temporary limits and BMS switches, shown only if the driver accepts commands for this battery.

import { access } from './access.js';
import { card, html, keyed, put, set } from './dom.js';
import { amps, byName, moment, span, t } from './text.js';

/** Possible requests, and the key of the present state in the view. */
const STATES = { charge: 'charge_fet', discharge: 'discharge_fet', balance: 'balance_allowed' };
const HOURS = [1, 2, 4, 8, 24];

/** Asks for confirmation before a request is sent; resolves to whether it was confirmed. With `names`, one has to be chosen. */
export function confirmed(question, warning, names, right) {
  const choice = warning && html('select', { id: 'which-battery', autofocus: true }, html('option', { value: '' }, '…'), [...names].sort(byName).map((name) => html('option', { value: name }, name)));
  const yes = html('button', { value: 'yes', class: warning ? 'danger' : 'primary', disabled: Boolean(warning) }, t('do_it'));
  if (choice) choice.addEventListener('change', () => { yes.disabled = choice.value !== right; });
  const dialog = html('dialog', { 'aria-labelledby': 'question' }, html('form', { method: 'dialog' },
    html('p', { id: 'question' }, question), warning && html('p', { class: 'banner alarm' }, html('strong', {}, warning)),
    choice && html('p', { class: 'token' }, html('label', { for: 'which-battery' }, t('which_battery')), choice),
    html('p', { class: 'buttons' }, html('button', { value: 'no', autofocus: !warning }, t('cancel')), yes)));
  // Enter in a field must not send.
  dialog.addEventListener('keydown', (event) => event.key === 'Enter' && event.target === choice && event.preventDefault());
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener('close', () => {
    dialog.remove();
    resolve(dialog.returnValue === 'yes');
  }));
}

export function commands(id) {
  const { form, forget, status, post: postTo, isOpen: unlocked } = access(() => last && update(last));
  const active = html('ul', { class: 'plain active' });
  const kind = html('select', { id: 'limit-kind', 'aria-label': t('limit_of') }, ['ccl', 'dcl'].map((name) => html('option', { value: name }, t(name === 'ccl' ? 'charge_current' : 'discharge_current'))));
  const value = html('input', { id: 'limit-value', type: 'number', min: 0, step: 1, required: true, inputmode: 'decimal', 'aria-label': t('limit_amps') });
  const hours = html('select', { id: 'limit-hours', 'aria-label': t('limit_time') }, HOURS.map((n) => html('option', { value: n }, `${n}\u00a0${t('hours')}`)));
  const limit = html('form', { class: 'token limitform' }, kind, html('span', {}, t('at_most')), value, html('span', {}, 'A'), hours, html('button', { class: 'primary' }, t('set')));
  const note = html('p', { class: 'muted' }, t('limit_note'));
  const list = html('ul', { class: 'plain commands' });
  const node = card('commandcard', t('commands'), active, form, html('div', { class: 'open' }, html('h3', {}, t('limit_title')), limit, note, html('h3', {}, t('switches_title')), list), forget, status);
  const open = node.querySelector('.open');
  node.hidden = true;
  let last;
  let others = [];

  const post = (body) => postTo(`api/v1/batteries/${encodeURIComponent(id)}/commands`, body, t(body.command === 'override' ? 'limit_set' : 'sent'));

  async function send(command, on) {
    const dark = command === 'discharge' && !on;
    const what = t(`command_${command}`);
    if (await confirmed(t(on ? 'ask_on' : 'ask_off', { what, name: last.name }), dark && t('goes_dark', { name: last.name }), new Set(others), last.name)) await post({ command, on });
  }

  limit.addEventListener('submit', (event) => {
    event.preventDefault();
    post({ command: 'override', value: `${kind.value} ${Number(value.value)} for ${hours.value * 3600}` });
  });

  function update(view, { all } = {}) {
    last = view;
    if (all) others = all.filter((other) => other.kind !== 'bank').map(({ name }) => name);
    const offered = (view.commands ?? []).filter((name) => Object.hasOwn(STATES, name));
    node.hidden = !view.commands?.length;
    const isOpen = unlocked();
    form.hidden = isOpen;
    open.hidden = forget.hidden = !isOpen;
    const sets = view.overrides_set ?? [];
    active.hidden = !sets.length;
    keyed(active, JSON.stringify([sets, isOpen]), () => sets.map((one) => html('li', {},
      html('strong', {}, one.kind === 'full' ? t('override_full', { name: view.name }) : t(`override_${one.kind}`, { name: view.name, limit: amps(one.value_a) })),
      html('span', { class: 'left', 'data-until': one.until, 'data-of': one.of_s }, html('i')), html('span', { class: 'muted ends' }))).concat(isOpen && sets.length ? [html('li', {}, html('button', { onclick: () => post({ command: 'override', value: 'clear' }) }, t('end_now')))] : []));
    for (const bar of active.querySelectorAll('.left')) {
      const left = bar.dataset.until - Date.now() / 1000;
      bar.hidden = !Number.isFinite(left);
      if (bar.hidden) continue;
      bar.style.setProperty('--f', Math.min(1, Math.max(0, left / bar.dataset.of)).toFixed(3));
      put(bar.nextSibling, t('ends', { time: moment(+bar.dataset.until, { timeStyle: 'short' }), span: span(Math.max(0, left)) }));
    }
    keyed(list, offered.map((name) => `${name}${view[STATES[name]]}`).join(), () => offered.map((name) => {
      const is = view[STATES[name]];
      const button = (on) => html('button', { 'aria-pressed': is === undefined ? 'false' : String(is === on), onclick: () => is !== on && send(name, on) }, t(on ? 'on' : 'off'));
      return html('li', {}, html('span', {}, t(`command_${name}`)), html('span', { class: 'segment', role: 'group', 'aria-label': t(`command_${name}`) }, button(true), button(false)));
    }));
    list.previousSibling.hidden = !offered.length;
    const offline = document.body.classList.contains('offline');
    for (const one of node.querySelectorAll('button')) one.disabled = offline;
  }
  set(node, 'id', 'control');
  return { node, update };
}
