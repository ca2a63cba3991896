use super::*;

fn sent(reply: &Message) -> Message {
    Message::from_vec(&reply.to_vec().unwrap()).unwrap()
}

#[test]
fn extended_errors_survive_the_wire() {
    let mut reply = Message::query();
    let error =
        ExtendedError { code: ExtendedError::NO_REACHABLE_AUTHORITY, text: "127.0.53.3: silent".into() };
    error.add_to(&mut reply);
    assert!(ExtendedError::all_of(&sent(&reply)).is_empty(), "no EDNS, no place for it");
    reply.edns = Some(Edns::new());
    error.add_to(&mut reply);
    let other = ExtendedError { code: 65_000, text: String::new() };
    other.add_to(&mut reply);
    assert_eq!(ExtendedError::all_of(&sent(&reply)), [error.clone(), other.clone()]);
    assert_eq!(error.to_string(), "EDE 22 (No Reachable Authority): 127.0.53.3: silent");
    assert_eq!(other.to_string(), "EDE 65000");
}

#[test]
fn a_strangers_text_is_made_harmless() {
    let mut reply = Message::query();
    reply.edns = Some(Edns::new());
    let options = reply.edns.as_mut().unwrap().options_mut();
    options.insert(EdnsOption::Unknown(OPTION, b"\0\x17\x1b[31mred\xff\n\0".to_vec()));
    options.insert(EdnsOption::Unknown(OPTION, b"\0".to_vec()));
    let errors = ExtendedError::all_of(&sent(&reply));
    assert_eq!(errors.iter().map(|error| &*error.text).collect::<Vec<_>>(), ["[31mred\u{fffd}"]);
}
