//! `stillage render TYPE`, which the server runs as a child to draw a file from standard input. It is no command for
//! people: it reads no configuration, keeps no log and is not in the help.

/// The media type, when this process was started to be such a child.
pub fn asked_for(arguments: impl Iterator<Item = String>) -> Option<String> {
    let arguments: Vec<String> = arguments.skip(1).take(3).collect();
    match arguments.as_slice() {
        [command, media_type] if command == "render" => Some(media_type.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_call_is_meant() {
        let table = [
            ("stillage render image/png", Some("image/png")),
            ("stillage render", None),
            ("stillage render image/png more", None),
            ("stillage serve", None),
            ("stillage", None),
        ];
        for (line, expected) in table {
            assert_eq!(asked_for(line.split(' ').map(str::to_owned)).as_deref(), expected, "{line}");
        }
    }
}
