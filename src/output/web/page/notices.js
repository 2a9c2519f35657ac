// What is wrong or unusual, above everything else: who, since when, what to do.

import { html, keyed, put, set } from './dom.js';
import { alarmWords, amps, moment, number, phrase, span, t } from './text.js';

const clock = (unix) => (Number.isFinite(unix) ? moment(unix, Math.abs(unix - Date.now() / 1000) < 72000 ? { timeStyle: 'short' } : { dateStyle: 'short', timeStyle: 'short' }) : undefined);

/** The batteries of a bank as [name, view or undefined, member]; of a bank that does not list them, those that name it. */
export function membersOf(view, all) {
  const others = all.filter(({ kind }) => kind !== 'bank');
  const listed = view.modules?.members;
  if (listed) return listed.map((member) => [member.name, others.find(({ id, service }) => (member.id ? id === member.id : service === member.service)), member]);
  return others.filter(({ bank }) => bank && (bank === view.name || bank === view.id || `bank_${bank}` === view.id)).map((other) => [other.name, other, undefined]);
}

const UNITS = { cell: [3, 'V'], temperature: [1, '°C'], current: [1, 'A'], voltage: [2, 'V'], soc: [0, '%'] };
/** The value of an alarm with its unit, by the alarm's name. */
export function valueOf({ name, value }) {
  const kind = ['cell', 'temperature', 'current', 'voltage', 'soc'].find((part) => name.includes(part));
  return Number.isFinite(value) && UNITS[kind] ? number(value, ...UNITS[kind]) : undefined;
}

/** Where an alarm is: battery, cell or sensor, value, since when. */
function place(alarm, name) {
  const parts = [name, alarm.cell && t('cell_no', { n: alarm.cell }), alarm.sensor && t('sensor', { n: alarm.sensor }), valueOf(alarm), clock(alarm.since) && t('since', { time: clock(alarm.since) })];
  return parts.filter(Boolean).join(' · ');
}

/** The notices of one view as [kind, bold, text]. */
function own(view, name) {
  const who = name ?? view.name;
  const list = [];
  for (const set of view.overrides_set ?? []) {
    const until = clock(set.until) ? t('until', { time: clock(set.until) }) : t('lasts_for', { span: span(set.of_s) });
    list.push(['own', set.kind === 'full' ? t('override_full', { name: who }) : t(`override_${set.kind}`, { name: who, limit: amps(set.value_a) }), [set.kind !== 'full' && until, t('set_by', { by: set.by })].filter(Boolean).join(' · ')]);
  }
  if (!view.overrides_set) for (const text of view.overrides ?? []) list.push(['own', who, text]);
  for (const off of view.switched_off_by ?? []) {
    const text = t(off.uncertain ? 'off_perhaps' : 'off_by', { what: t(`command_${off.what}`), name: who });
    list.push(['warning', text, [clock(off.since) && t('since', { time: clock(off.since) }), t('set_by', { by: off.by })].filter(Boolean).join(' · ')]);
  }
  if (!view.switched_off_by) for (const text of view.switched_off ?? []) list.push(['warning', who, text]);
  if (view.charge_excess) list.push(['warning', t('charge_excess', { name: who }), view.charge_excess]);
  return list;
}

export function notices() {
  const stale = html('p', { class: 'banner alarm stale', hidden: true });
  const list = html('ul', { class: 'plain' });
  const node = html('div', { class: 'alarms wide', 'aria-live': 'polite' }, stale, list);
  return {
    node,
    update(view, { age, all }) {
      const isStale = view.freshness !== 'fresh';
      stale.hidden = !isStale;
      if (isStale) put(stale, t(`stale_${view.freshness}`, { span: age === undefined ? '–' : span(age) }));
      set(stale, 'aria-live', 'off');
      document.body.classList.toggle('unheard', isStale);
      const members = view.kind === 'bank' ? membersOf(view, all) : [];
      const several = all.length > 1;
      const found = [];
      for (const alarm of view.alarms ?? []) {
        const [text, remedy] = alarmWords(alarm);
        // The battery knows the cell and the value; the bank at least its name.
        const raising = members.flatMap(([name, other]) => (other?.alarms ?? []).filter((own) => own.name === alarm.name).map((own) => place(own, name)));
        const where = raising.length ? raising.join('; ') : place(alarm, alarm.batteries?.length ? alarm.batteries.join(', ') : several && !members.length ? view.name : undefined);
        found.push([alarm.level, `${t(alarm.level)}: ${text}`, [where, remedy].filter(Boolean).join(' – ')]);
      }
      if (view.kind === 'bank') {
        const silent = members.filter(([, other, member]) => member ? !member.online : other?.freshness !== 'fresh').map(([name]) => name);
        if (silent.length && !isStale) found.push([view.cable ? 'alarm' : 'warning', t('members_silent', { names: silent.join(', ') }), t(view.cable ? 'cable_bank' : 'silent_bank')]);
        else if (view.cable && !isStale) found.push([view.cable, t('cable_some'), t('cable_bank')]);
      } else if (view.cable && !isStale) found.push([view.cable, t('cable_some'), t('cable_battery')]);
      found.push(...own(view));
      for (const [name, other] of members) if (other) found.push(...own(other, name));
      keyed(list, JSON.stringify(found), () => found.map(([kind, bold, text]) => html('li', { class: `banner ${kind}` }, html('strong', {}, bold), html('span', {}, phrase(text)))));
    },
  };
}
