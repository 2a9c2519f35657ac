.pragma library

// The driver's texts in the owner's language: the English sentence is the key of its translation, and is shown without one.
// The same sentences and patterns are translated for the dashboard (src/output/web/page/lang).

/// Sentences that contain a name or a number.
const FORMS = [
	"chargers exceed the charge current limit for half a minute, {n} A instead of {m} A set by {why}; check that DVCC is on, whether feed-in of DC-coupled PV leaves solar chargers without a limit, and for chargers that the GX does not control",
	"{name} holds more than {m}: charge to full and hold; if it comes back, check cables, fuses and capacity of {n}",
	"{name} has the least headroom: {why}",
	"{name} is silent, its last limit applies: {why}",
	"{name} allows least: {why}",
	"{name} of the chain is not there",
	"{n} not there, {m} switched off",
	"{n} not there",
	"{n} switched off",
	"{n} % or more of the answers come damaged, check ground, shield and termination",
	"{n} % or more of the requests stay without answer, check plugs and wires",
	"{name}: {why}",
]

function said(text) {
	if (!text) {
		return ""
	}
	const whole = qsTrId(text)
	if (whole !== text) {
		return whole
	}
	for (const form of FORMS) {
		const parts = []
		const pattern = form.replace(/\{(\w+)\}/g, (_, part) => { parts.push(part); return "(.+?)" })
		const found = new RegExp("^" + pattern + "$").exec(text)
		if (found) {
			return qsTrId(form).replace(/\{(\w+)\}/g, (_, part) => {
				const value = found[parts.indexOf(part) + 1]
				return part === "why" ? said(value) : value
			})
		}
	}
	return text
}

/// "Float: all are full: float voltage" -> the charging phase.
function phase(text) {
	return said((text ?? "").split(": ")[0])
}

/// … and the rule that sets the charge voltage.
function after_phase(text) {
	return said((text ?? "").split(": ").slice(1).join(": "))
}

/// Seconds as days and hours, or hours and minutes.
function span(seconds) {
	if (seconds === undefined || seconds === null || isNaN(seconds)) {
		return "--"
	}
	const minutes = Math.floor(seconds / 60)
	const hours = Math.floor(minutes / 60)
	const days = Math.floor(hours / 24)
	return days > 0 ? qsTrId("dbus_bms_days_hours").arg(days).arg(hours % 24)
			: qsTrId("dbus_bms_hours_minutes").arg(hours).arg(minutes % 60)
}
