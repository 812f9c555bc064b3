//! Marionette's protocol: JSON with its length before it, over TCP
//! (firefox-source-docs, "Marionette protocol").

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use serde_json::{Value, json};

use crate::run::PATIENCE;

/// A connection with a session, in Firefox's own context.
#[derive(Debug)]
pub(crate) struct Marionette {
    stream: BufReader<TcpStream>,
    last: u64,
}

impl Marionette {
    /// Connects to a Firefox that listens on this port.
    pub(crate) fn connect(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut marionette = Self { stream: BufReader::new(stream), last: 0 };
        let hello = marionette.receive();
        assert_eq!(hello["marionetteProtocol"], 3, "{hello}");
        let patience = json!({ "script": PATIENCE.as_millis() as u64 });
        marionette.call("WebDriver:NewSession", &json!({ "timeouts": patience }));
        marionette.call("Marionette:SetContext", &json!({ "value": "chrome" }));
        marionette
    }

    /// Runs a script; its last argument is a function that takes the result.
    pub(crate) fn script(&mut self, script: &str, arguments: &Value) -> Value {
        let script = json!({ "script": script, "args": arguments, "sandbox": "system" });
        self.call("WebDriver:ExecuteAsyncScript", &script)["value"].take()
    }

    /// Goes to a page as a person does, whether Firefox shows it or an error, and photographs the
    /// window: PNG in base64.
    pub(crate) fn photograph(&mut self, url: &str) -> String {
        self.call("Marionette:SetContext", &json!({ "value": "content" }));
        // What Firefox refuses is an error here.
        let _ = self.try_call("WebDriver:Navigate", &json!({ "url": url }));
        self.call("Marionette:SetContext", &json!({ "value": "chrome" }));
        let picture = self.call("WebDriver:TakeScreenshot", &json!({ "full": false }));
        picture["value"].as_str().unwrap().to_owned()
    }

    fn call(&mut self, name: &str, parameters: &Value) -> Value {
        self.try_call(name, parameters).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn try_call(&mut self, name: &str, parameters: &Value) -> Result<Value, Value> {
        self.last += 1;
        let message = json!([0, self.last, name, parameters]).to_string();
        write!(self.stream.get_mut(), "{}:{message}", message.len()).unwrap();
        let mut answer = self.receive();
        assert_eq!((&answer[0], &answer[1]), (&json!(1), &json!(self.last)), "{answer}");
        if answer[2].is_null() { Ok(answer[3].take()) } else { Err(answer[2].take()) }
    }

    fn receive(&mut self) -> Value {
        let mut length = Vec::new();
        self.stream.read_until(b':', &mut length).unwrap();
        let length = std::str::from_utf8(length.strip_suffix(b":").unwrap()).unwrap();
        let mut message = vec![0; length.parse().unwrap()];
        self.stream.read_exact(&mut message).unwrap();
        serde_json::from_slice(&message).unwrap()
    }
}
