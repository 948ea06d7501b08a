#include "codec/method_names.h"

const char *const method_names[METHOD_NAMES] = {
    [METHOD_EXACT] = "exact",
    [METHOD_LINFORMER] = "linformer",
    [METHOD_NYSTROM] = "nystrom",
    [METHOD_PERFORMER] = "performer",
    [METHOD_LINEAR] = "linear",
    [METHOD_TOP_K] = "top_k",
    [METHOD_BLOCK_SPARSE] = "block_sparse",
    [METHOD_LONGFORMER] = "longformer",
    [METHOD_BIGBIRD] = "bigbird",
};

const char *const rule_names[RULE_NAMES] = {
    [RULE_ELU] = "elu",     [RULE_LINEAR] = "linear",           [RULE_GATED] = "gated",
    [RULE_DELTA] = "delta", [RULE_GATED_DELTA] = "gated_delta",
};
