//! `berth man`: one page with every command, its options and its examples.

use super::failed;
use crate::cli::{Cli, EXAMPLES_TITLE, EXIT_CODES};
use clap::{Arg, Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};
use std::io::{self, Write};

pub(super) fn man() -> u8 {
    match page().and_then(|page| io::stdout().write_all(&page)) {
        Ok(()) => 0,
        Err(error) => failed(&format!("print the manual page: {error}"), 1),
    }
}

fn page() -> io::Result<Vec<u8>> {
    let mut program = Cli::command();
    // Gives each command its whole name.
    program.build();
    let mut page = Vec::new();
    let man = Man::new(program.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for command in commands(&program) {
        add_command(&mut roff, command);
    }
    roff.control("SH", ["EXAMPLES"]);
    add_examples(&mut roff, &program);
    roff.control("SH", ["EXIT STATUS"]);
    roff.text([roman(EXIT_CODES)]);
    roff.to_writer(&mut page)?;
    Ok(page)
}

/// Those that do something, the commands of commands too.
fn commands(of: &Command) -> Vec<&Command> {
    let own = of.get_subcommands().filter(|command| command.get_name() != "help");
    own.flat_map(|command| if command.has_subcommands() { commands(command) } else { vec![command] })
        .collect()
}

fn add_command(roff: &mut Roff, command: &Command) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let arguments: Vec<&Arg> = command.get_arguments().filter(|arg| is_its_own(arg)).collect();
    let given = arguments.iter().map(|arg| match arg.is_required_set() {
        true => format!(" {}", shown(arg)),
        false => format!(" [{}]", shown(arg)),
    });
    let given: String = given.collect();
    roff.control("SS", [format!("{name}{given}").as_str()]);
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string);
    for paragraph in about.unwrap_or_default().split("\n\n") {
        roff.control("PP", []);
        roff.text([roman(paragraph)]);
    }
    for arg in arguments {
        roff.control("TP", []);
        roff.text([if arg.is_positional() { italic(shown(arg)) } else { bold(shown(arg)) }]);
        let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string);
        roff.text([roman(help.unwrap_or_default())]);
    }
    add_examples(roff, command);
}

/// What every command has is told once, above.
fn is_its_own(arg: &Arg) -> bool {
    !arg.is_global_set() && !matches!(arg.get_id().as_str(), "help" | "version")
}

fn shown(arg: &Arg) -> String {
    arg.to_string()
}

/// The examples below its help, line for line.
fn add_examples(roff: &mut Roff, command: &Command) {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let Some((_, examples)) = help.split_once(EXAMPLES_TITLE) else { return };
    let examples = examples.split("\n\n").next().unwrap_or_default();
    roff.control("PP", []);
    roff.control("nf", []);
    for line in examples.lines().filter(|line| !line.is_empty()) {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::page::WIDTH;
    use clap_complete::Shell;

    fn program() -> Command {
        let mut program = Cli::command();
        program.build();
        program
    }

    fn names(program: &Command) -> Vec<String> {
        commands(program).iter().map(|command| command.get_bin_name().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_page_has_every_command_with_its_options_and_examples() {
        let page = String::from_utf8(page().unwrap()).unwrap().replace('\\', "");
        let program = program();
        assert!(names(&program).iter().any(|name| name == "berth slot reset"), "{:?}", names(&program));
        for command in commands(&program) {
            let name = command.get_bin_name().unwrap();
            assert!(page.contains(&format!(".SS \"{name}")), "{name} is not in the page:\n{page}");
            for arg in command.get_arguments().filter(|arg| is_its_own(arg)) {
                assert!(
                    page.contains(&format!("\n{}", shown(arg))) || page.contains(&shown(arg)),
                    "{name} {arg}"
                );
            }
        }
    }

    #[test]
    fn every_command_has_examples_that_name_it_and_fit_the_terminal() {
        let program = program();
        for command in commands(&program).into_iter().chain([&program]) {
            let name = command.get_bin_name().unwrap_or("berth");
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with(EXAMPLES_TITLE) && help.contains(name), "{name}: {help}");
            let too_long =
                help.split("\n\n").next().unwrap().lines().find(|line| line.chars().count() > WIDTH);
            assert_eq!(too_long, None, "{name}");
        }
    }

    #[test]
    fn the_completions_of_each_shell_have_every_command_and_option() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "berth", &mut script);
            let script = String::from_utf8(script).unwrap();
            let program = program();
            for command in commands(&program) {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
                let longs = command.get_arguments().filter_map(|arg| arg.get_long());
                for long in longs.filter(|long| *long != "version") {
                    assert!(script.contains(long), "{shell}: --{long} of {}", command.get_name());
                }
            }
        }
    }
}
