#include "codec/rule_names.h"

const char *const rule_names[RULE_NAMES] = {
    [RULE_ELU] = "elu",     [RULE_LINEAR] = "linear",           [RULE_GATED] = "gated",
    [RULE_DELTA] = "delta", [RULE_GATED_DELTA] = "gated_delta",
};
