//! The contract suite (ENG-1): the same cases for every engine, each with its own fixture.
//!
//! Docker and Podman need sockets of the tests' own engines in `KOAN_TEST_DOCKER_SOCKET` and `KOAN_TEST_PODMAN_SOCKET`; without
//! them their cases print `SKIPPED`.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::unwrap_in_result, reason = "a test fails by panicking")]

mod cases;
mod containers;
mod fixture;
mod moby;
mod mocked;
#[cfg(test)]
mod programs;
mod sim;
mod socket;
mod traced;

use fixture::Bench;

/// One test per case of the contract for a fixture.
macro_rules! contract {
    ($engine:ident, $bench:path, $start_paused:expr, [$($case:ident),* $(,)?]) => {
        mod $engine {
            $(
                #[tokio::test(flavor = "current_thread", start_paused = $start_paused)]
                async fn $case() {
                    if let Some(bench) = $bench(stringify!($case)).await {
                        crate::run(bench, |bench| Box::pin(crate::cases::$case(bench))).await;
                    }
                }
            )*
        }
    };
}

macro_rules! whole_contract {
    ($engine:ident, $bench:path, $start_paused:expr) => {
        contract!(
            $engine,
            $bench,
            $start_paused,
            [
                info_says_what_the_engine_is_and_can,
                a_workload_lives_its_whole_life_and_each_step_is_idempotent,
                s_3_objects_of_another_owner_are_left_alone,
                sec_3_a_volume_of_another_age_is_not_deleted,
                s_4_two_creators_make_one_workload,
                p13_two_creators_agree_on_one_network,
                an_exit_is_recorded_with_its_code,
                a_published_port_is_on_loopback_and_can_be_dialled,
                a_taken_port_is_a_conflict,
                logs_keep_their_order_per_stream,
                exec_is_bounded_in_time_and_output,
                events_arrive_as_hints,
                s_12_values_arrive_by_file_and_stay_out_of_errors,
            ]
        );
    };
}

whole_contract!(docker, crate::moby::docker, false);
whole_contract!(podman, crate::moby::podman, false);

macro_rules! container_contract {
    ($engine:ident, $bench:path) => {
        mod $engine {
            $crate::container_contract!(@ $bench, [
                p16_no_anonymous_volume_is_left,
                a_paused_container_is_started_and_stopped,
                a_build_honours_its_context_and_is_not_repeated,
                services_reach_each_other_and_the_host_by_name,
                a_container_whose_files_are_gone_is_dead,
                an_absent_image_is_a_failed_pull,
                s_4_a_restarted_koan_adopts_what_runs,
                a_container_joins_every_network_of_its_specification,
            ]);
        }
    };
    (@ $bench:path, [$($case:ident),* $(,)?]) => {
        $(
            #[tokio::test(flavor = "current_thread")]
            async fn $case() {
                if let Some(bench) = $bench(stringify!($case)).await {
                    crate::run(bench, |bench| Box::pin(crate::containers::$case(bench))).await;
                }
            }
        )*
    };
}
use container_contract;

container_contract!(docker_only_containers, crate::moby::docker);
container_contract!(podman_only_containers, crate::moby::podman);

/// Podman 4.3 shows the lines of a restarted container late, or as those of the run before: both promises hold on Docker alone.
mod docker_logs {
    crate::container_contract!(@ crate::moby::docker, [
        a_followed_log_goes_on_after_a_restart_and_a_replacement,
        the_previous_log_ends_where_the_run_begins,
    ]);
}
whole_contract!(process, crate::programs::process, false);
whole_contract!(simulated, crate::sim::sim, true);

/// Runs a case, then takes away what it left, then lets its failure through.
async fn run<F>(bench: Bench, case: F)
where
    F: for<'a> FnOnce(&'a Bench) -> futures::future::BoxFuture<'a, ()>,
{
    use futures::FutureExt;
    let result = std::panic::AssertUnwindSafe(case(&bench)).catch_unwind().await;
    bench.clean_up().await;
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}
