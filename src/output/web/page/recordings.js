// Files of the flight recorder: what happened at an alarm, a fault of the line or a jump of a limit, to download.

import { card, html, keyed } from './dom.js';
import { moment, t } from './text.js';

const REFRESH_MS = 60_000;

export function recordings() {
  let ended = false;
  let timer;
  const list = html('ul', { class: 'plain' });
  const node = card('recordingcard', t('recordings'), html('p', { class: 'muted' }, t('recordings_what')), list);
  node.hidden = true;

  async function load() {
    try {
      const answer = await fetch('api/v1/recordings', { cache: 'no-store' });
      if (answer.ok && !ended) draw((await answer.json()).recordings);
    } catch { /* the last ones stay */ }
    if (!ended) timer = setTimeout(load, REFRESH_MS);
  }

  function draw(files) {
    node.hidden = !files.length;
    const when = ({ at }) => (Number.isFinite(at) ? moment(at, { dateStyle: 'medium', timeStyle: 'short' }) : t('time_unknown'));
    keyed(list, JSON.stringify(files), () => files.map((one) => html('li', {}, html('a', { href: `api/v1/recordings/${one.file}`, download: one.file }, when(one)), html('small', {}, ` ${one.why}`))));
  }

  load();
  return { node, update() {}, end() { ended = true; clearTimeout(timer); } };
}
