// SPDX-License-Identifier: MIT OR Apache-2.0
//! How Linux 7.3.4 prints its `cxl` trace events, as its `format` files say, and a folder that stands
//! in for a trace instance.

use super::Rig;

/// Event and template.
pub(super) const TEMPLATES: [(&str, &str); 11] = [
    ("cxl_aer_correctable_error", "memdev=%s host=%s serial=%llu: status: '%s'"),
    (
        "cxl_aer_uncorrectable_error",
        "memdev=%s host=%s serial=%llu: status: '%s' first_error: '%s'",
    ),
    (
        "cxl_dram",
        "memdev=%s host=%s serial=%llu log=%s : time=%llu uuid=%pUb len=%d flags='%s' \
         handle=%x related_handle=%x maint_op_class=%u maint_op_sub_class=%u ld_id=%x \
         head_id=%x : dpa=%llx dpa_flags='%s' descriptor='%s' type='%s' sub_type='%s' \
         transaction_type='%s' channel=%u rank=%u nibble_mask=%x bank_group=%u bank=%u row=%u \
         column=%u cor_mask=%s validity_flags='%s' comp_id=%s comp_id_pldm_valid_flags='%s' \
         pldm_entity_id=%s pldm_resource_id=%s hpa=%llx hpa_alias0=%llx region=%s \
         region_uuid=%pUb sub_channel=%u cme_threshold_ev_flags='%s' cvme_count=%u",
    ),
    (
        "cxl_general_media",
        "memdev=%s host=%s serial=%llu log=%s : time=%llu uuid=%pUb len=%d flags='%s' \
         handle=%x related_handle=%x maint_op_class=%u maint_op_sub_class=%u ld_id=%x \
         head_id=%x : dpa=%llx dpa_flags='%s' descriptor='%s' type='%s' sub_type='%s' \
         transaction_type='%s' channel=%u rank=%u device=%x validity_flags='%s' comp_id=%s \
         comp_id_pldm_valid_flags='%s' pldm_entity_id=%s pldm_resource_id=%s hpa=%llx \
         hpa_alias0=%llx region=%s region_uuid=%pUb cme_threshold_ev_flags='%s' cme_count=%u",
    ),
    (
        "cxl_generic_event",
        "memdev=%s host=%s serial=%llu log=%s : time=%llu uuid=%pUb len=%d flags='%s' \
         handle=%x related_handle=%x maint_op_class=%u maint_op_sub_class=%u ld_id=%x \
         head_id=%x : %s",
    ),
    (
        "cxl_memory_module",
        "memdev=%s host=%s serial=%llu log=%s : time=%llu uuid=%pUb len=%d flags='%s' \
         handle=%x related_handle=%x maint_op_class=%u maint_op_sub_class=%u ld_id=%x \
         head_id=%x : event_type='%s' event_sub_type='%s' health_status='%s' \
         media_status='%s' as_life_used=%s as_dev_temp=%s as_cor_vol_err_cnt=%s \
         as_cor_per_err_cnt=%s life_used=%u device_temp=%d dirty_shutdown_cnt=%u \
         cor_vol_err_cnt=%u cor_per_err_cnt=%u validity_flags='%s' comp_id=%s \
         comp_id_pldm_valid_flags='%s' pldm_entity_id=%s pldm_resource_id=%s",
    ),
    (
        "cxl_memory_sparing",
        "memdev=%s host=%s serial=%llu log=%s : time=%llu uuid=%pUb len=%d flags='%s' \
         handle=%x related_handle=%x maint_op_class=%u maint_op_sub_class=%u ld_id=%x \
         head_id=%x : flags='%s' result=%u validity_flags='%s' spare resource avail=%u \
         channel=%u rank=%u nibble_mask=%x bank_group=%u bank=%u row=%u column=%u \
         sub_channel=%u comp_id=%s comp_id_pldm_valid_flags='%s' pldm_entity_id=%s \
         pldm_resource_id=%s",
    ),
    ("cxl_overflow", "memdev=%s host=%s serial=%llu: log=%s : %u records from %llu to %llu"),
    (
        "cxl_poison",
        "memdev=%s host=%s serial=%llu trace_type=%s region=%s region_uuid=%pU hpa=0x%llx \
         hpa_alias0=0x%llx dpa=0x%llx dpa_length=0x%x source=%s flags=%s overflow_time=%llu",
    ),
    ("cxl_port_aer_correctable_error", "device=%s host=%s status='%s'"),
    ("cxl_port_aer_uncorrectable_error", "device=%s host=%s status: '%s' first_error: '%s'"),
];

/// The folder of the instance.
pub(super) const INSTANCE: &str = "sys/kernel/tracing/instances/test";

impl Rig {
    /// Makes an instance whose pipe holds these lines.
    pub(super) fn trace(&self, lines: &[u8]) {
        self.write(&format!("{INSTANCE}/options/context-info"), "1");
        for (event, template) in TEMPLATES {
            let folder = format!("{INSTANCE}/events/cxl/{event}");
            self.write(&format!("{folder}/enable"), "0");
            let format = format!(
                "name: {event}\nID: 1\nformat:\n\nprint fmt: \"{template}\", __get_str(memdev)\n"
            );
            self.write(&format!("{folder}/format"), format);
        }
        self.write(&format!("{INSTANCE}/trace_pipe"), lines);
    }
}
