//! The simulated sockets held to what Linux does, and to what TCP promises under faults.
//!
//! | file | what |
//! |---|---|
//! | `stage.rs` | plays one script on real sockets and in worlds, and compares the transcripts |
//! | `tcp_open.rs`, `tcp_data.rs`, `tcp_close.rs`, `udp.rs` | the scripts, against `tokio::net` alone |
//! | `chaos.rs` | random faults on open connections: order, completeness, ends |
//! | `connects.rs` | random faults on connections that are being opened |
//!
//! Transcripts hold results, error kinds, byte counts and order, never times. Known differences, which no script touches:
//! `set_zero_linger` is remembered without effect, and a connected UDP socket hears nothing of a closed port.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod chaos;
mod connects;
mod stage;
mod tcp_close;
mod tcp_data;
mod tcp_open;
mod udp;

/// One test per script: it has to see the same on real and on simulated sockets.
macro_rules! same_as_linux {
    ($($module:ident: $($script:ident),+;)+) => {
        /// All scripts, by name.
        const SCRIPTS: &[(&str, stage::Script)] =
            &[$($((stringify!($script), |stage| Box::pin($module::$script(stage)))),+),+];

        $($(
            #[test]
            fn $script() {
                stage::compare(stringify!($script), |stage| Box::pin($module::$script(stage)));
            }
        )+)+
    };
}

same_as_linux! {
    tcp_open:
        connecting_to_a_closed_port_is_refused,
        a_connection_nobody_accepts_is_open_and_buffers,
        a_dropped_listener_resets_what_it_never_accepted,
        a_port_has_one_listener,
        a_port_is_free_again_after_its_listener_is_dropped,
        port_zero_is_a_free_port,
        the_addresses_of_both_ends_agree,
        the_unspecified_address_listens_everywhere_and_dials_this_host,
        a_listener_hears_its_own_address_only,
        another_loopback_address_is_dialled_from_the_first,
        a_foreign_address_cannot_be_bound,
        a_bound_socket_connects_from_its_address,
        connections_are_accepted_in_the_order_they_were_made,
        a_connection_closed_before_accept_still_delivers,
        a_dropped_connect_leaves_the_listener_usable,
        several_tasks_accept_from_one_listener;
    tcp_data:
        an_echo_comes_back,
        eight_mebibytes_reach_a_slow_reader_in_order,
        a_writer_waits_for_its_reader,
        a_try_read_would_block_until_data_is_there,
        readiness_names_what_is_ready,
        a_peek_takes_nothing_away,
        one_read_takes_what_several_writes_left,
        vectored_writes_and_reads_keep_the_order,
        a_stream_splits_and_reunites,
        empty_reads_and_writes_move_nothing,
        a_short_stream_ends_unexpectedly,
        fifty_connections_do_not_mix,
        several_tasks_wait_for_one_socket,
        one_task_reads_while_another_writes;
    tcp_close:
        each_direction_closes_by_itself,
        a_drop_with_unread_data_resets_the_peer,
        a_write_reports_a_reset_once,
        a_pending_read_learns_of_a_reset,
        what_arrived_before_a_reset_can_be_read,
        a_clean_drop_is_an_end_then_a_broken_pipe,
        writing_to_a_dropped_peer_leaves_one_error,
        an_error_that_was_taken_is_gone,
        a_reset_makes_a_socket_readable_and_writable,
        a_write_after_the_own_shutdown_is_a_broken_pipe,
        a_shutdown_may_be_repeated,
        both_sides_may_close_at_once,
        a_connection_closed_both_ways_is_no_longer_connected,
        the_dropped_write_half_shuts_down,
        the_forgotten_write_half_stays_open,
        the_dropped_read_half_stops_nothing,
        an_aborted_task_closes_its_socket,
        an_aborted_listener_closes_its_port,
        data_for_a_dropped_reader_is_answered_with_a_reset;
    udp:
        datagrams_keep_their_bounds_and_their_sender,
        a_long_datagram_is_truncated,
        a_connected_socket_hears_its_peer_only,
        two_sockets_connect_to_each_other,
        a_send_without_destination_fails,
        a_datagram_to_a_closed_port_is_lost_silently,
        a_datagram_has_a_largest_size,
        a_try_recv_would_block_until_a_datagram_is_there,
        a_datagram_port_has_one_socket,
        a_socket_hears_its_own_address_only;
}
