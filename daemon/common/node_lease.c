/* The arithmetic of leases (docs/failover.md). Rates are in millionths; sums are made in 64 bits, which 32-bit times by
 * a million fit. */
#include "daemon/common/node_config.h"

#include <assert.h>

#define MILLION 1000000u

uint32_t lease_holder_ms(uint32_t lease_ms, uint32_t rate_ppm)
{
        assert(rate_ppm < MILLION);
        return (uint32_t)((uint64_t)lease_ms * (MILLION - rate_ppm) / (MILLION + rate_ppm));
}

uint64_t lease_taker_ms(uint32_t lease_ms, uint32_t budget_ms, uint32_t rate_ppm)
{
        assert(rate_ppm < MILLION);
        uint64_t divisor = MILLION - rate_ppm;
        return lease_ms + ((uint64_t)budget_ms * (MILLION + rate_ppm) + divisor - 1) / divisor;
}
