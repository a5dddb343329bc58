//! A disk that is full: named with the way out, nothing half done, and Koan goes on once there is room.

use std::path::{Path, PathBuf};
use std::process::Command;

use koan_tests::{Koan, Output, Place, until};

/// A small disk of the test's own, in memory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where only root could mount one.
    fn of(folder: &Path) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("SKIPPED full_disk: mounting a small disk needs root");
            return None;
        }
        std::fs::create_dir_all(folder).expect("a folder");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(folder).status();
        assert!(mount.expect("mount runs").success());
        Some(Self(folder.to_owned()))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Writes until nothing more fits.
    fn fill(&self) {
        let from = Command::new("dd").args(["if=/dev/zero", "bs=4k"]).arg(format!("of={}", self.filler().display())).output();
        assert!(!from.expect("dd runs").status.success(), "the disk is full");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Programs that a test left behind hold it for a moment.
        let _ = Command::new("umount").args(["--lazy"]).arg(&self.0).status();
    }
}

fn stack(size: usize) -> String {
    // Long values need more room than the store has in reserve.
    let variables: String = (0..size).map(|number| format!("    - {{name: N{number}, value: {}}}\n", "x".repeat(4000))).collect();
    format!("{}    env:\n    - {{name: A, value: b}}\n{variables}", Place::Process.stack())
}

fn up(koan: &Koan) -> Output {
    koan.run(&["up", "--timeout", "60s"])
}

/// REL-20, CLI-18: a full disk is told with its remedy at once, and the same command works when there is room again.
#[test]
fn a_full_disk_is_told_and_outlived() {
    let folder = tempfile::Builder::new().prefix("koan-test-").tempdir().expect("a temporary folder");
    let Some(disk) = SmallDisk::of(&folder.path().join("small")) else { return };
    let koan = Koan::new().with("KOAN_HOME", disk.0.join("state").display().to_string());
    koan.write("koan.yaml", &stack(0));
    up(&koan).expect_code(0);

    disk.fill();
    koan.write("koan.yaml", &stack(50));
    let refused = up(&koan).expect_code(1);
    assert!(refused.stderr.contains("disk is full"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint:") && refused.stderr.contains("room"), "{}", refused.stderr);
    koan.run(&["status"]).expect_code(0);

    std::fs::remove_file(disk.filler()).expect("the filler goes");
    until("koan goes on", || (up(&koan).code == 0).then_some(()));
    koan.run(&["down", "--volumes", "--yes", "--timeout", "60s"]).expect_code(0);
}
