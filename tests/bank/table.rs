//! The rules in docs/bank.md, each with the test that proves it.

use std::collections::BTreeSet;

const DOCS: &str = include_str!("../../docs/bank.md");
const TESTS: [&str; 4] =
    [include_str!("values.rs"), include_str!("currents.rs"), include_str!("voltage.rs"), include_str!("silence.rs")];
const PROPERTIES: &str = include_str!("properties.rs");
const ON_A_BUS: &str = include_str!("../service/bank_dbus.rs");
const IN_ONE_RUN: &str = include_str!("../service/bank_local.rs");

/// The first column of each row below *The rules*, in the order of the page, with its test. A new rule needs a row there and here.
#[rustfmt::skip]
const RULES: &[(&str, &str)] = &[
    ("voltage", "voltage_is_the_mean_of_packs_side_by_side_and_the_sum_of_a_chain"),
    ("voltage of an incomplete series", "half_a_chain_has_no_voltage"),
    ("current, power, capacity, remaining charge", "currents_and_capacities_add_up_side_by_side_only"),
    ("a sum with an unknown part", "a_sum_with_an_unknown_part_is_unknown"),
    ("remaining charge that a battery does not report", "charge_left_that_is_not_told_follows_from_state_of_charge_and_capacity"),
    ("SoC and capacity while a driver is stopped", "a_battery_that_is_stopped_counts_with_its_charge_until_it_has_faded"),
    ("SoC", "soc_counts_by_capacity_and_in_a_chain_the_lowest_counts"),
    ("lowest and highest cell, coldest and hottest sensor", "extremes_name_their_battery"),
    ("alarms", "of_two_alarms_the_higher_shows"),
    ("modules", "members_that_block_or_are_away_are_counted"),
    ("time to go, energy counters", "time_to_go_is_that_of_the_whole"),
    ("batteries in series drift apart", "a_chain_that_drifts_apart_is_noted_and_then_a_warning"),
    ("a battery is silent for a minute", "a_member_that_is_gone_for_a_minute_is_a_cable_warning"),
    ("a battery of `bank.members` was never found", "a_member_that_is_missing_since_the_start_is_a_cable_warning_too"),
    ("all batteries are fine", "equal_packs_add_up"),
    ("packs share the current unequally", "the_weakest_pack_limits_the_sum"),
    ("a pack's share of a change", "conductance_is_learned_from_how_the_currents_move"),
    ("current flows from pack to pack", "current_between_packs_takes_its_room"),
    ("the direction of a pack's current is not known", "a_current_of_unknown_direction_counts_as_the_worse_of_both"),
    ("a full pack takes less than its share", "a_full_pack_that_takes_little_leaves_room_for_the_others"),
    ("a pack has switched its FET off", "a_pack_that_has_switched_off_takes_no_part"),
    (
        "current flows in the direction that a pack has switched off",
        "current_that_a_pack_has_switched_off_takes_no_room_of_its_other_direction",
    ),
    ("a pack is switched off for equal charge", "a_pack_that_is_switched_off_for_equal_charge_does_not_count_and_raises_nothing"),
    ("a pack is switched for equal charge, and any input", "switching_a_pack_never_raises_a_limit"),
    ("a pack's share while one of its FETs is off", "nothing_is_learned_from_a_pack_that_is_switched_off_in_one_direction"),
    ("a pack's share while the direction of a current is not known", "nothing_is_learned_while_a_direction_is_not_known"),
    ("a pack forbids (limit 0), but its FET is on or unknown", "a_pack_that_forbids_with_its_switch_closed_forbids_the_bank"),
    ("a pack is silent", "a_silent_pack_counts_no_more_at_once"),
    ("a silent pack had little headroom left", "the_last_word_of_a_silent_pack_stands"),
    ("a silent pack may be off the busbar", "the_others_carry_only_what_they_can_if_a_silent_pack_is_off_the_busbar"),
    ("any battery is lost, for any reason", "the_loss_of_a_member_never_raises_a_limit"),
    ("a driver is stopped deliberately", "a_member_that_says_goodbye_is_let_go_smoothly"),
    ("drivers restart (`svc -t`, an update)", "drivers_that_restart_together_bring_the_limits_back_at_once"),
    ("a battery returns from a restart with a lower limit", "who_comes_back_from_a_restart_with_a_lower_limit_is_obeyed"),
    ("any restart", "a_restart_never_raises_a_limit"),
    ("a battery returns", "a_member_that_returns_comes_back_by_ramp"),
    ("readings are missing", "no_limit_rises_without_new_readings_of_all"),
    ("a battery has no limits", "a_battery_without_limits_is_no_member"),
    ("`bank.max_charge_current_a`, `bank.max_discharge_current_a`", "the_configured_maximum_of_the_bank_holds"),
    ("batteries in series", "a_chain_carries_what_its_weakest_carries_and_stands_still_without_one"),
    ("shares assigned to the members", "shares_add_up_to_the_limit_at_most_and_no_member_gets_more_than_it_allows"),
    ("any input", "limits_are_finite_and_never_above_the_sum_of_the_members"),
    ("the order of the members", "the_order_of_the_members_does_not_matter"),
    ("how often limits are calculated", "the_cut_of_time_does_not_matter"),
    ("one pack is full and floats", "the_float_of_one_does_not_hold_the_others_down"),
    ("a cell of one pack is too high", "the_safety_of_one_holds_all_down_at_once"),
    ("at any time", "cvl_is_never_above_the_safety_of_a_member"),
    ("only the limit of a battery is known", "a_battery_of_which_nothing_but_its_limit_is_known_is_obeyed"),
    ("float", "float_begins_when_every_member_had_its_full_charge"),
    ("a member was already full", "a_member_that_came_full_stands_at_the_charge_voltage_too"),
    ("a member cannot be charged", "a_member_that_cannot_charge_is_not_waited_for"),
    ("a member never gets full", "a_charge_that_one_member_never_ends_ends"),
    ("clouds, large loads", "clouds_take_no_time_at_the_charge_voltage_away_but_a_discharge_does"),
    ("times of the phases", "what_the_phases_wait_for_can_be_set"),
    ("from absorption to float", "on_the_way_to_float_the_voltage_falls_slowly_and_close_to_the_packs"),
    ("in float", "in_float_the_bank_offers_no_more_current_than_holds_it"),
    ("float ends", "float_ends_when_charge_is_drawn_or_a_member_returns_that_is_not_full"),
    ("a full member is lost in float", "float_does_not_end_because_a_full_member_is_lost"),
    ("`phases.enabled = false`", "phases_can_be_switched_off"),
    ("the bank must not be charged (CCL 0)", "a_bank_that_may_not_be_charged_does_not_invite_it"),
    (
        "charging is forbidden while the direction of a current is not known",
        "charge_that_is_forbidden_holds_the_voltage_as_if_an_unknown_current_charged",
    ),
    ("one pack is silent", "a_silent_member_holds_the_voltage_at_float"),
    ("a pack of `bank.members` was never found", "a_member_that_is_missing_since_the_start_holds_the_voltage_at_float"),
    ("packs in series", "charge_voltages_of_a_chain_add_up"),
    ("all services are gone", "all_members_gone_is_no_current_at_all"),
    ("all batteries are silent", "when_all_fall_silent_together_their_own_limits_lead_down_and_nothing_rises"),
    ("the age of the bank's data", "the_data_of_a_bank_ages_once_no_battery_answers"),
    ("the bank is stopped", "the_goodbye_of_the_bank_stops_charging_only"),
    ("a driver hangs", "a_count_that_stands_still_is_silence_whatever_else_is_said"),
    ("a battery is read seldom", "a_slow_battery_has_three_of_its_periods"),
    ("a battery stops while limits change", "the_limits_of_a_battery_that_stopped_in_the_middle_go_down_by_the_table"),
    ("the bank is killed and comes back", "members_leave_the_limits_to_the_bank_and_stand_in_when_it_is_killed"),
    ("the bank hangs", "members_stand_in_for_a_bank_that_hangs_although_its_name_stays"),
    ("there was never a bank", "members_without_a_bank_publish_a_part_of_their_limits"),
    ("a member's process is killed", "a_member_that_is_killed_counts_no_more_and_returns_by_ramp"),
    ("a member's process hangs", "a_member_that_hangs_is_silenced_although_its_name_stays"),
    ("a member's driver is stopped", "a_member_that_is_stopped_is_let_go_smoothly"),
    ("the drivers of all members restart", "a_restart_of_all_members_is_bridged"),
    ("a battery of `bank.members` never appears", "a_named_member_that_never_comes_is_missed"),
    ("another driver's battery is listed", "a_battery_of_another_driver_takes_part_where_it_is_named"),
    ("another driver hangs", "a_foreign_battery_that_answers_no_more_is_silenced"),
    ("`[can]` is set", "an_inverter_over_can_is_told_of_the_bank_and_of_no_member"),
    ("a share is written", "a_share_is_a_number_of_amperes_or_refused"),
    ("the bank and the drivers of all members restart", "a_restart_of_the_bank_and_its_members_is_bridged"),
    ("SIGTERM, or a second bank", "the_bank_leaves_without_charge_current_and_there_is_one_of_it_only"),
    ("a stop while a pack is off for equal charge", "a_pack_that_is_off_for_equal_charge_is_on_after_a_stop"),
    (
        "a crash while a pack is off for equal charge",
        "a_pack_that_is_off_for_equal_charge_is_on_after_the_start_that_follows_a_kill",
    ),
    ("several ports and `bank.in_run`", "batteries_of_one_run_form_a_bank_that_ends_with_them"),
    ("no D-Bus", "without_d_bus_the_bank_goes_over_can_and_is_remembered"),
    ("no battery on a port", "a_port_without_its_battery_is_a_missing_member"),
    ("`bank.in_run` with a process per port", "with_a_process_per_port_it_is_refused_in_words_and_every_battery_stays"),
    ("two `run` with `bank.in_run` start together", "of_two_runs_that_start_together_one_forms_the_bank"),
    ("a second `run` with `bank.in_run`", "a_second_run_finds_the_bank_taken_and_serves_its_battery_as_a_member"),
    ("the bank's service without a configured bank", "the_service_of_the_bank_ends_where_none_is_configured"),
];

fn tests() -> Vec<&'static str> {
    let functions = TESTS.iter().chain([&PROPERTIES, &ON_A_BUS, &IN_ONE_RUN]).flat_map(|file| {
        let after = file.match_indices("#[test]").chain(file.match_indices("#[tokio::test"));
        after.filter_map(|(at, _)| file[at..].split_once("fn ")?.1.split_once('(').map(|(name, _)| name)).collect::<Vec<_>>()
    });
    functions.collect()
}

/// The first column of the tables below *The rules*, without their heads.
fn rules_of_the_page() -> Vec<&'static str> {
    let (_, section) = DOCS.split_once("\n## The rules\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let tables = section.split("\n|---|---|\n").skip(1);
    tables
        .flat_map(|table| table.lines().take_while(|line| line.starts_with("| ")))
        .map(|row| row.split('|').nth(1).unwrap().trim())
        .collect()
}

#[test]
fn every_rule_of_the_docs_has_a_test_and_every_test_of_a_rule_stands_there() {
    let rules: Vec<&str> = RULES.iter().map(|(rule, _)| *rule).collect();
    assert!(rules.len() > 30, "{rules:?}");
    assert_eq!(rules_of_the_page(), rules, "docs/bank.md has other rules than RULES in tests/bank/table.rs");
    assert_eq!(rules.iter().collect::<BTreeSet<_>>().len(), rules.len(), "two rules have the same name");
    let tests = tests();
    for (rule, name) in RULES {
        assert!(tests.contains(name), "`{name}` of the rule \"{rule}\" is no test");
    }
    for name in tests {
        assert!(RULES.iter().any(|(_, test)| *test == name), "`{name}` has no rule: give it a row in docs/bank.md and in RULES");
    }
}
