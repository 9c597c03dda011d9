#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "proto/base/metrics.h"

static struct buffer out;

/* Rendered text up to the process's own metrics. */
static const char *render(const struct metric *table, size_t count)
{
    char *process;

    buffer_clear(&out);
    metrics_render(table, count, "edge", &out);
    buffer_append_char(&out, '\0');
    process = strstr(out.data, "# HELP process_cpu_seconds_total");
    assert_non_null(process);
    *process = '\0';
    return out.data;
}

static void counters_and_gauges(void **state)
{
    static const struct metric table[] = {
        {.name = "a_total", .help = "How many a.", .type = METRIC_COUNTER, .value = 5},
        {.name = "b",
         .labels = "x=\"1\",y=\"2\"",
         .help = "B now.",
         .type = METRIC_GAUGE,
         .value = 7},
    };

    (void)state;
    assert_string_equal(render(table, 2), "# HELP a_total How many a.\n"
                                          "# TYPE a_total counter\n"
                                          "a_total 5\n"
                                          "# HELP b B now.\n"
                                          "# TYPE b gauge\n"
                                          "b{x=\"1\",y=\"2\"} 7\n");
}

static void one_name_has_one_head(void **state)
{
    static const struct metric table[] = {
        {.name = "a_total", .labels = "t=\"1\"", .help = "A.", .type = METRIC_COUNTER, .value = 1},
        {.name = "b", .help = "B.", .type = METRIC_GAUGE, .value = 2},
        {.name = "a_total", .labels = "t=\"2\"", .help = "A.", .type = METRIC_COUNTER, .value = 3},
    };

    (void)state;
    assert_string_equal(render(table, 3), "# HELP a_total A.\n"
                                          "# TYPE a_total counter\n"
                                          "a_total{t=\"1\"} 1\n"
                                          "a_total{t=\"2\"} 3\n"
                                          "# HELP b B.\n"
                                          "# TYPE b gauge\n"
                                          "b 2\n");
}

static void histograms_are_cumulative(void **state)
{
    struct histogram histogram = {0};
    struct metric metric = {.name = "h",
                            .labels = "t=\"1\"",
                            .help = "H.",
                            .type = METRIC_HISTOGRAM,
                            .histogram = &histogram};

    (void)state;
    histogram_observe(&histogram, 0);
    histogram_observe(&histogram, 0.0001); /* a bound belongs to its bucket */
    histogram_observe(&histogram, 0.00011);
    histogram_observe(&histogram, 1.6384);
    histogram_observe(&histogram, 1.7);
    histogram_observe(&histogram, 1e9);
    assert_string_equal(render(&metric, 1), "# HELP h H.\n"
                                            "# TYPE h histogram\n"
                                            "h_bucket{t=\"1\",le=\"0.0001\"} 2\n"
                                            "h_bucket{t=\"1\",le=\"0.0002\"} 3\n"
                                            "h_bucket{t=\"1\",le=\"0.0004\"} 3\n"
                                            "h_bucket{t=\"1\",le=\"0.0008\"} 3\n"
                                            "h_bucket{t=\"1\",le=\"0.0016\"} 3\n"
                                            "h_bucket{t=\"1\",le=\"0.0032\"} 3\n"
                                            "h_bucket{t=\"1\",le=\"0.0064\"} 3\n"
                                            "h_bucket{t=\"1\",le=\"0.0128\"} 3\n"
                                            "h_bucket{t=\"1\",le=\"0.0256\"} 3\n"
                                            "h_bucket{t=\"1\",le=\"0.0512\"} 3\n"
                                            "h_bucket{t=\"1\",le=\"0.1024\"} 3\n"
                                            "h_bucket{t=\"1\",le=\"0.2048\"} 3\n"
                                            "h_bucket{t=\"1\",le=\"0.4096\"} 3\n"
                                            "h_bucket{t=\"1\",le=\"0.8192\"} 3\n"
                                            "h_bucket{t=\"1\",le=\"1.6384\"} 4\n"
                                            "h_bucket{t=\"1\",le=\"3.2768\"} 5\n"
                                            "h_bucket{t=\"1\",le=\"6.5536\"} 5\n"
                                            "h_bucket{t=\"1\",le=\"13.1072\"} 5\n"
                                            "h_bucket{t=\"1\",le=\"26.2144\"} 5\n"
                                            "h_bucket{t=\"1\",le=\"52.4288\"} 5\n"
                                            "h_bucket{t=\"1\",le=\"104.8576\"} 5\n"
                                            "h_bucket{t=\"1\",le=\"+Inf\"} 6\n"
                                            "h_sum{t=\"1\"} 1e+09\n"
                                            "h_count{t=\"1\"} 6\n");
}

static void a_histogram_without_labels(void **state)
{
    struct histogram histogram = {0};
    struct metric metric = {
        .name = "h", .help = "H.", .type = METRIC_HISTOGRAM, .histogram = &histogram};
    const char *text;

    (void)state;
    histogram_observe(&histogram, 0.25);
    text = render(&metric, 1);
    assert_non_null(strstr(text, "\nh_bucket{le=\"0.2048\"} 0\nh_bucket{le=\"0.4096\"} 1\n"));
    assert_non_null(strstr(text, "\nh_bucket{le=\"+Inf\"} 1\nh_sum 0.25\nh_count 1\n"));
}

/* The value of one of the process's own metrics. */
static double process_value(const char *name)
{
    char line[80] = "\n";
    const char *at;

    strcat(line, name);
    strcat(line, " ");
    at = strstr(out.data, line);
    assert_non_null(at);
    return strtod(at + strlen(line), NULL);
}

static void the_process_describes_itself(void **state)
{
    double now = (double)time(NULL);
    double files;
    int fd;

    (void)state;
    buffer_clear(&out);
    metrics_render(NULL, 0, "edge", &out);
    buffer_append_char(&out, '\0');
    assert_true(process_value("process_cpu_seconds_total") >= 0);
    assert_true(process_value("process_resident_memory_bytes") > 100000);
    assert_true(process_value("process_max_fds") >= 3);
    assert_true(process_value("process_start_time_seconds") > now - 600);
    assert_true(process_value("process_start_time_seconds") < now + 2);
    assert_non_null(strstr(out.data, "\nelizamq_build_info{program=\"edge\",version=\""));
    files = process_value("process_open_fds");
    assert_true(files >= 3);

    fd = dup(STDOUT_FILENO);
    buffer_clear(&out);
    metrics_render(NULL, 0, "edge", &out);
    buffer_append_char(&out, '\0');
    assert_true(process_value("process_open_fds") == files + 1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_and_gauges),
        cmocka_unit_test(one_name_has_one_head),
        cmocka_unit_test(histograms_are_cumulative),
        cmocka_unit_test(a_histogram_without_labels),
        cmocka_unit_test(the_process_describes_itself),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    buffer_deinit(&out);
    return failed;
}
