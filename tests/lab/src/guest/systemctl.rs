//! `systemctl` of the lab's instances: the verbs that a boot uses, with the answers and exit statuses of the real one.

use std::path::Path;

use super::protocol::{Reply, Request, SOCKET, ask};

/// Understands the command line, asks PID 1 and prints what it says. Returns the exit status.
pub fn main(args: &[String]) -> i32 {
    let asked = match Asked::parse(args) {
        Ok(asked) => asked,
        Err(said) => {
            eprintln!("{said}");
            return 1;
        }
    };
    if asked.version {
        println!("systemd 252 (the lab's small one)");
        return 0;
    }
    let socket = std::env::var("LAB_CONTROL").unwrap_or_else(|_| SOCKET.to_owned());
    match ask(Path::new(&socket), &asked.request) {
        Ok(reply) => asked.print(&reply),
        Err(error) => {
            eprintln!("Failed to connect to bus: {}", error.chain());
            1
        }
    }
}

#[derive(Debug, Default)]
struct Asked {
    request: Request,
    properties: Vec<String>,
    value_only: bool,
    quiet: bool,
    version: bool,
}

impl Asked {
    fn parse(args: &[String]) -> Result<Asked, String> {
        let mut asked = Asked::default();
        let mut args = args.iter().map(String::as_str);
        let mut options = true;
        while let Some(arg) = args.next() {
            if options && arg == "--" {
                options = false;
                continue;
            }
            let (name, inline) = match arg.split_once('=') {
                Some((name, value)) if arg.starts_with("--") => (name, Some(value)),
                _ => (arg, None),
            };
            let mut value = || {
                inline
                    .or_else(|| args.next())
                    .ok_or_else(|| format!("systemctl: option '{arg}' requires an argument"))
            };
            match name {
                "--no-block" => asked.request.no_block = true,
                "--version" => asked.version = true,
                "--quiet" | "-q" => asked.quiet = true,
                "--value" => asked.value_only = true,
                "--property" | "-p" => asked.properties.extend(value()?.split(',').map(str::to_owned)),
                "--signal" | "-s" => asked.request.signal = Some(value()?.to_owned()),
                "--now" | "--no-pager" | "--system" | "--all" | "-a" | "--full" | "-l" | "--plain"
                | "--no-legend" | "--force" | "-f" => {}
                "--type" | "-t" | "--state" | "--lines" | "-n" | "--output" | "-o" | "--job-mode"
                | "--kill-whom" | "--kill-who" => {
                    value()?;
                }
                _ if options && arg.starts_with('-') => {
                    return Err(format!("systemctl: the lab's systemctl does not know the option '{arg}'"));
                }
                _ if asked.request.verb.is_empty() => asked.request.verb = arg.to_owned(),
                _ => asked.request.units.push(if arg.contains('.') {
                    arg.to_owned()
                } else {
                    format!("{arg}.service")
                }),
            }
        }
        if asked.request.verb.is_empty() {
            asked.request.verb = "list-units".into();
        }
        Ok(asked)
    }

    fn print(&self, reply: &Reply) -> i32 {
        if !self.quiet || !self.request.verb.starts_with("is-") {
            print!("{}", reply.out);
        }
        eprint!("{}", reply.err);
        for (n, properties) in reply.properties.iter().enumerate() {
            if n > 0 {
                println!();
            }
            for (key, value) in properties {
                if self.properties.is_empty() || self.properties.contains(key) {
                    if self.value_only { println!("{value}") } else { println!("{key}={value}") }
                }
            }
        }
        reply.code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Asked {
        Asked::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn properties_are_read_in_every_spelling() {
        let asked = parse("show -p ActiveState,SubState --property=MainPID --property Result kafka");
        assert_eq!(asked.properties, ["ActiveState", "SubState", "MainPID", "Result"]);
        assert_eq!(
            (asked.request.verb.as_str(), asked.request.units),
            ("show", vec!["kafka.service".to_owned()])
        );
    }

    #[test]
    fn an_option_that_it_does_not_know_is_refused() {
        assert!(Asked::parse(&["--frobnicate".to_owned()]).unwrap_err().contains("--frobnicate"));
    }

    #[test]
    fn a_double_dash_ends_the_options() {
        let asked = parse("show -p Result -- kafka.service");
        assert_eq!(
            (asked.request.units, asked.properties),
            (vec!["kafka.service".to_owned()], vec!["Result".to_owned()])
        );
    }

    #[test]
    fn no_block_may_stand_before_or_after_the_verb() {
        assert!(parse("start --no-block berth.service").request.no_block);
        assert!(parse("--no-block start berth.service").request.no_block);
    }
}
