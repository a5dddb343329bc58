use koan_core::secret::Secret;
use koan_core::text::{Part, Values};

use super::recipe;
use crate::texts::credential;

/// ENG-17: the process form listens on loopback, on the allocated port, with a login, below its data folder.
#[test]
fn the_process_configuration_is_guarded_and_local() {
    let process = recipe().process.unwrap();
    let mut values = Values::default();
    values.insert(credential("password"), Secret::new("se cret".to_owned()));
    let place = |part: &Part| match part {
        Part::Port(_) => Some("7001".to_owned()),
        Part::DataFolder(_) => Some("/state/data".to_owned()),
        _other => None,
    };
    let text = process.files[0].2.render(&values, place).unwrap();
    assert_eq!(
        text.expose(),
        "bind 127.0.0.1\nport 7001\ndir \"/state/data\"\ndaemonize no\nappendonly yes\nrequirepass \"se\\x20cret\"\n"
    );
}
