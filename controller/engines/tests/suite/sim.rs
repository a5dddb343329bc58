//! Fixture of the simulated engine, on paused time.

use std::sync::Arc;
use std::time::Duration;

use koan_core::workload::{ContainerRun, ImageSpec, Run};
use koan_crds::v1alpha1::{EngineName, PullPolicy};
use koan_engines::Stream;
use koan_engines::sim::{Program, SimWorld};

use crate::fixture::{Bench, Fixture};

pub(crate) async fn sim(case: &str) -> Option<Bench> {
    let world = SimWorld::new(EngineName::Docker);
    let line = |millis, stream, text: &str| (Duration::from_millis(millis), stream, text.to_owned());
    let lines = vec![
        line(1, Stream::Stdout, "out 1"),
        line(2, Stream::Stderr, "err 1"),
        line(3, Stream::Stdout, "out 2"),
        line(4, Stream::Stderr, "err 2"),
    ];
    world.script("talker", Program { lines, ..Program::default() });
    world.script("ender", Program::ends(Duration::from_millis(5), 3));
    Some(Bench::new(Arc::new(world.engine()), Box::new(Scripts), case))
}

struct Scripts;

fn container(image: &str) -> Run {
    Run::Container(ContainerRun {
        image: image.to_owned(),
        command: None,
        args: None,
        working_dir: None,
        user: None,
        init: false,
        image_health: false,
    })
}

impl Fixture for Scripts {
    fn server(&self, _port: u16) -> Run {
        container("server")
    }

    fn talker(&self) -> Run {
        container("talker")
    }

    fn ender(&self, code: i64) -> Run {
        assert_eq!(code, 3, "the script ends with 3");
        container("ender")
    }

    fn image(&self, run: &Run) -> Option<ImageSpec> {
        match run {
            Run::Container(run) => Some(ImageSpec { reference: run.image.clone(), pull: PullPolicy::IfNotPresent, build: None }),
            Run::Process(_) => None,
        }
    }

    fn print_file(&self, path: &str) -> Vec<String> {
        vec!["cat".to_owned(), path.to_owned()]
    }

    fn print_letters(&self, letters: usize) -> Vec<String> {
        vec!["letters".to_owned(), letters.to_string()]
    }

    fn hang(&self) -> Vec<String> {
        vec!["sleep".to_owned(), "120000".to_owned()]
    }
}
