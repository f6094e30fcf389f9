/* mntr: what monitoring reads, one key a line. */
#include "election/server/status.h"
#include "election/server/words.h"

#include <inttypes.h>
#include <string.h>

static void put_text(void *ctx, const char *name, const char *value)
{
        words__put(ctx, "zk_%s\t%s\n", name, value);
}

static void put_number(void *ctx, const char *name, int64_t value)
{
        words__put(ctx, "zk_");
        jute_put_raw(ctx, name, strlen(name)); /* of a quota's key, as long as a path */
        words__put(ctx, "\t%" PRId64 "\n", value);
}

static void put_real(void *ctx, const char *name, uint64_t sum, uint64_t count, uint64_t divisor)
{
        words__put(ctx, "zk_%s\t", name);
        words__average(ctx, sum, count, divisor);
        words__put(ctx, "\n");
}

static void put_summary(void *ctx, const char *name, const struct summary *s, uint64_t divisor)
{
        words__put(ctx, "zk_avg_%s\t", name);
        words__average(ctx, s->sum, s->count, divisor);
        words__put(ctx,
                   "\nzk_min_%s\t%" PRIu64 "\nzk_max_%s\t%" PRIu64 "\nzk_cnt_%s\t%" PRIu64 "\nzk_sum_%s\t%" PRIu64 "\n",
                   name, s->min / divisor, name, s->max / divisor, name, s->count, name, s->sum / divisor);
}

static void put_histogram(void *ctx, const char *name, const struct histogram *h, uint64_t divisor)
{
        static const struct {
                const char *name;
                uint32_t per_mille;
        } quantiles[] = {{"p50", 500}, {"p95", 950}, {"p99", 990}, {"p999", 999}};
        put_summary(ctx, name, &h->summary, divisor);
        for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
                words__put(ctx, "zk_%s_%s\t%" PRIu64 "\n", quantiles[i].name, name,
                           histogram_quantile(h, quantiles[i].per_mille) / divisor);
}

static bool is_full(void *ctx)
{
        return words__full(ctx);
}

void words__mntr(struct server *s, struct jute_writer *w)
{
        const struct status_visitor visitor = {
                .ctx = w,
                .text = put_text,
                .number = put_number,
                .real = put_real,
                .summary = put_summary,
                .histogram = put_histogram,
                .full = is_full,
        };
        server_monitor(s, &s->event->now, &visitor);
}
