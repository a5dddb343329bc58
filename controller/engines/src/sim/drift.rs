//! What others do to the world: each is a fault of the model (reliability.md section 2), none is an effect of Koan.

use koan_core::identity::{ObjectId, Owner};
use koan_core::inventory::WorkloadState;
use tokio::time::Instant;

use super::state::{Signal, SimNetwork, SimVolume};
use super::steps::KILLED;
use super::world::SimWorld;

impl SimWorld {
    /// Ends a running workload, as `docker kill` does. False where no workload of that name runs.
    pub fn kill(&self, name: &str) -> bool {
        self.end_by_force(name, false)
    }

    /// The kernel ends a running workload for lack of memory.
    pub fn oom_kill(&self, name: &str) -> bool {
        self.end_by_force(name, true)
    }

    /// Pauses a running workload.
    pub fn pause(&self, name: &str) -> bool {
        let mut state = self.settled();
        let Some(id) = id_of(&state.workloads, name) else { return false };
        let Some(workload) = state.workloads.get_mut(&id).filter(|workload| workload.state == WorkloadState::Running) else {
            return false;
        };
        workload.state = WorkloadState::Paused;
        state.hint(&id);
        true
    }

    /// Removes a workload by force, as `docker rm -f` does; its volumes stay.
    pub fn remove(&self, name: &str) -> bool {
        let mut state = self.settled();
        let Some(id) = id_of(&state.workloads, name) else { return false };
        state.workloads.remove(&id);
        state.hint(&id);
        true
    }

    /// Renames a workload.
    pub fn rename(&self, name: &str, new_name: &str) -> bool {
        let mut state = self.settled();
        let Some(id) = id_of(&state.workloads, name) else { return false };
        if let Some(workload) = state.workloads.get_mut(&id) {
            new_name.clone_into(&mut workload.name);
        }
        state.hint(&id);
        true
    }

    /// Edits the owner labels of a workload; `None` takes them away.
    pub fn relabel(&self, name: &str, owner: Option<Owner>) -> bool {
        let mut state = self.settled();
        let Some(id) = id_of(&state.workloads, name) else { return false };
        if let Some(workload) = state.workloads.get_mut(&id) {
            workload.owner = owner;
        }
        true
    }

    /// Removes every network of a name by force.
    pub fn remove_networks(&self, name: &str) -> usize {
        let mut state = self.settled();
        let ids: Vec<ObjectId> =
            state.networks.iter().filter(|(_, network)| network.name == name).map(|(id, _)| id.clone()).collect();
        for id in &ids {
            state.networks.remove(id);
            state.hint(id);
        }
        ids.len()
    }

    /// Adds a network, also one of a name that exists (P13); `None` is foreign.
    pub fn add_network(&self, name: &str, owner: Option<Owner>) -> ObjectId {
        let mut state = self.settled();
        let id = state.fresh_id("network");
        let created = state.age();
        state.networks.insert(id.clone(), SimNetwork { name: name.to_owned(), owner, created });
        state.hint(&id);
        id
    }

    /// Removes a volume by force, with its data.
    pub fn remove_volume(&self, name: &str) -> bool {
        let mut state = self.settled();
        let removed = state.volumes.remove(name).is_some();
        state.hint(&name.into());
        removed
    }

    /// Adds a foreign volume.
    pub fn add_foreign_volume(&self, name: &str) {
        let mut state = self.settled();
        let created = state.age();
        let volume = SimVolume { owner: None, path: String::new(), initialised_with: None, created };
        state.volumes.insert(name.to_owned(), volume);
    }

    /// Somebody else listens on a port of the host.
    pub fn take_port(&self, port: u16, holder: &str) {
        self.settled().taken_ports.insert(port, holder.to_owned());
    }

    /// Nobody else listens there any more.
    pub fn free_port(&self, port: u16) {
        self.settled().taken_ports.remove(&port);
    }

    /// The engine stops answering; its workloads run on. Hint streams end.
    pub fn engine_down(&self) {
        let mut state = self.settled();
        state.up = false;
        // Nobody may be listening.
        let _ = state.signals.send(Signal::Lost);
    }

    /// The engine answers again.
    pub fn engine_up(&self) {
        self.settled().up = true;
    }

    /// The engine restarts without live-restore: every running workload ends with 137.
    pub fn engine_restart(&self) {
        self.engine_down();
        let running: Vec<String> = {
            let state = self.settled();
            let runs = state.workloads.values().filter(|workload| workload.state == WorkloadState::Running);
            runs.map(|workload| workload.name.clone()).collect()
        };
        for name in running {
            self.kill(&name);
        }
        self.engine_up();
    }

    /// Events get lost from now on, or no longer; subscriptions stay open (half-open stream).
    pub fn lose_events(&self, lose: bool) {
        self.settled().losing_events = lose;
    }

    fn end_by_force(&self, name: &str, oom_killed: bool) -> bool {
        let mut state = self.settled();
        let Some(id) = id_of(&state.workloads, name) else { return false };
        let runs = state.workloads.get(&id).is_some_and(|workload| workload.state == WorkloadState::Running);
        if runs {
            state.exit(&id, KILLED, oom_killed, Instant::now());
        }
        runs
    }
}

fn id_of(workloads: &std::collections::BTreeMap<ObjectId, super::state::SimWorkload>, name: &str) -> Option<ObjectId> {
    workloads.iter().find(|(_, workload)| workload.name == name).map(|(id, _)| id.clone())
}
