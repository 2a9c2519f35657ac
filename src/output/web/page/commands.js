// BMS switches, shown only if the driver accepts commands for this battery.

import { card, html, keyed, put, thisSession } from './dom.js';
import { phrase, t } from './text.js';

/** Possible requests, and the key of the present state in the view. */
const STATES = { charge: 'charge_fet', discharge: 'discharge_fet', balance: 'balance_allowed' };

/** Asks for confirmation before a request is sent; resolves to whether it was confirmed. */
function confirmed(question) {
  const dialog = html('dialog', { 'aria-labelledby': 'question' }, html('form', { method: 'dialog' },
    html('p', { id: 'question' }, question),
    html('p', { class: 'buttons' }, html('button', { value: 'no', autofocus: true }, t('cancel')), html('button', { value: 'yes', class: 'primary' }, t('do_it')))));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener('close', () => {
    dialog.remove();
    resolve(dialog.returnValue === 'yes');
  }));
}

export function commands(id) {
  const token = html('input', { id: 'token', type: 'password', autocomplete: 'off', spellcheck: 'false' });
  const form = html('form', { class: 'token' }, html('label', { for: 'token' }, t('token')), token, html('button', {}, t('unlock')));
  const forget = html('button', { class: 'quiet', onclick: () => enter(undefined) }, t('lock'));
  const list = html('ul', { class: 'plain commands' });
  const status = html('p', { role: 'status', class: 'muted' });
  const node = card('commandcard wide', t('commands'), form, list, forget, status);
  node.hidden = true;
  let last;

  function enter(text) {
    thisSession.set('token', text);
    token.value = '';
    put(status, '');
    if (last) update(last);
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (token.value) enter(token.value);
  });

  async function send(command, on) {
    if (!(await confirmed(t(on ? 'ask_on' : 'ask_off', { what: t(`command_${command}`), name: last.name })))) return;
    put(status, t('sending'));
    try {
      const answer = await fetch(`api/v1/batteries/${encodeURIComponent(id)}/commands`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${thisSession.get('token')}` },
        body: JSON.stringify({ command, on }),
      });
      if (answer.status === 401 || answer.status === 403) {
        enter(undefined);
        put(status, t('wrong_token'));
      } else if (answer.ok) put(status, t('sent'));
      else put(status, t('refused', { why: phrase((await answer.json()).error) }));
    } catch {
      put(status, t('not_sent'));
    }
  }

  function update(view) {
    last = view;
    const offered = (view.commands ?? []).filter((name) => Object.hasOwn(STATES, name));
    node.hidden = !offered.length;
    const open = Boolean(thisSession.get('token'));
    form.hidden = open;
    list.hidden = forget.hidden = !open;
    keyed(list, offered.map((name) => `${name}${view[STATES[name]]}`).join(), () => offered.map((name) => {
      const is = view[STATES[name]];
      const button = (on) => html('button', { 'aria-pressed': is === undefined ? 'false' : String(is === on), onclick: () => is !== on && send(name, on) }, t(on ? 'on' : 'off'));
      return html('li', {}, html('span', {}, t(`command_${name}`)), html('span', { class: 'segment', role: 'group', 'aria-label': t(`command_${name}`) }, button(true), button(false)));
    }));
  }
  return { node, update };
}
