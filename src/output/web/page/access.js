// The token for commands: entered once, kept until the tab is closed, and used by every card that sends.

import { html, put, thisSession } from './dom.js';
import { phrase, t } from './text.js';

const ask = (path, key, body) => fetch(path, {
  method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${key}` }, body: body && JSON.stringify(body),
});

/** The parts of a card that sends; `changed()` is called when the token has been entered or forgotten. */
export function access(changed, id = 'token') {
  const status = html('p', { role: 'status', class: 'muted' });
  const token = html('input', { id, type: 'password', autocomplete: 'off', spellcheck: 'false' });
  const form = html('form', { class: 'token' }, html('label', { for: id }, t('token')), token, html('button', {}, t('unlock')));
  const forget = html('button', { class: 'quiet', onclick: () => enter(undefined) }, t('lock'));

  function enter(text) {
    thisSession.set('token', text);
    token.value = '';
    changed();
  }

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const given = token.value;
    if (!given) return;
    put(status, t('checking'));
    try {
      const answer = await ask('api/v1/token', given);
      if (answer.ok) {
        enter(given);
        put(status, '');
      } else {
        enter(undefined);
        put(status, t(answer.status === 401 || answer.status === 403 ? 'wrong_token' : 'not_sent'));
      }
    } catch {
      put(status, t('not_sent'));
    }
  });

  /** Sends a command; `done` is the text of success. */
  async function post(path, body, done) {
    put(status, t('sending'));
    try {
      const answer = await ask(path, thisSession.get('token'), body);
      if (answer.status === 401 || answer.status === 403) {
        enter(undefined);
        put(status, t('wrong_token'));
      } else if (answer.ok) put(status, done);
      else put(status, t('refused', { why: phrase((await answer.json()).error) }));
    } catch {
      put(status, t('not_sent'));
    }
  }

  return { status, form, forget, post, isOpen: () => Boolean(thisSession.get('token')) };
}
