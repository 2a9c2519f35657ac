//! Replies of the RS485 output, for independent readers (`tests/rs485/readers.sh`): each line of standard input is an object with
//! `protocol`, `request` in hex and `data` as `can encode` takes it; the reply is printed in hex, an empty line if there is none.
//! Without a request it is what the protocol sends unasked.

use dbus_bms::base::hex;
use dbus_bms::base::units::Moment;
use dbus_bms::output::can::InverterData;
use dbus_bms::output::rs485::{Responder, protocol};
use serde_json::Value;
use std::error::Error;
use std::io::{self, BufRead, Write};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let mut line: Value = serde_json::from_str(&line?)?;
        let data: InverterData = serde_json::from_value(line["data"].take())?;
        let request = hex::decode(line["request"].as_str().unwrap_or_default())?;
        let known = line["protocol"].as_str().and_then(protocol).ok_or("unknown protocol")?;
        let mut responder = Responder::new(known, None, Moment::default());
        let reply = match request.as_slice() {
            [] => responder.message(Moment::default(), Some(&data)),
            request => responder.receive(request, Moment::default(), Some(&data)),
        };
        writeln!(out, "{}", hex::encode(reply.unwrap_or_default()))?;
    }
    Ok(())
}
