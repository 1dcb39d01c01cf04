/* What caption networks cost, in microseconds of CPU time per caption: scoring (forward
 * with weights that stand still), and a gradient step (forward, loss, backward, Adam) at
 * batches of 64 and 256. `ngram dense`: Adam moves all rows of the table. `cnn full`: over
 * texts that fill all 256 bytes, what it would cost without leaving out the windows that
 * touch no text. `cnn plain`: those convolutions by unfolding and BLAS. One BLAS thread.
 * bench_capnet [seconds per figure] */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/metrics.h"
#include "common/nn/adam.h"
#include "common/nn/caploss.h"
#include "common/nn/capnet.h"
#include "common/nn/mat.h"

enum { MOST = 256, TEXTS = 1024 };

static const char *const WHO[] = {"jackal",     "gaunt newt",  "kobold",
                                  "naiad",      "cave spider", "grid bug",
                                  "gnome lord", "watchman"};
static const char *const FORMS[] = {
    "The %s bites!",
    "You see here a %s corpse.",
    "You kill the %s! You have %u gold pieces.",
    "The %s misses you.",
    "You hear the splashing of a %s in the distance.",
    "There is an iron key here, and a statue of a %s beside it.",
    "The %s picks up %u gold pieces.",
    "You read, \"%s %u was here\"."};

static char lines[TEXTS][MOST];
static struct bytes texts[TEXTS];
static double seconds = 0.5;

static double make_texts(bool full)
{
    double bytes = 0;
    for (unsigned i = 0; i < TEXTS; i++) {
        memset(lines[i], 'a' + (int)(i % 26), MOST);
        int len = snprintf(lines[i], MOST, FORMS[i % 8], WHO[i / 8 % 8], i);
        if (full) {
            lines[i][len] = ' ';
            len = MOST;
        }
        texts[i] = bytes_of(lines[i], (size_t)len);
        bytes += (double)texts[i].len / TEXTS;
    }
    return bytes;
}

struct plan {
    const char *net;
    enum capnet_text text;
    enum capnet_head head;
    bool full, dense; // dense: Adam moves all rows of the n-gram table
    int batch;        // of a gradient step; 0: scoring
};

static void step(struct capnet *c, struct adam *a, const struct plan *p, int from)
{
    static const float labels[MOST];
    static uint8_t place[MOST];
    static int first[MOST / 2 + 1];
    float dout[2 * MOST];
    struct params *params = capnet_params(c);
    double norm;

    for (int i = 0; i <= p->batch / 2; i++) {
        first[i] = 2 * i;
        place[2 * i % MOST] = 1;
    }
    capnet_zero_grads(c);
    const float *out = capnet_forward(c, texts + from, p->batch, &a->steps);
    if (p->head == CAPNET_RATE) {
        caploss_rate(dout, out, labels, p->batch);
    } else {
        caploss_order(dout, out, place, first, p->batch / 2);
    }
    capnet_backward(c, dout);
    CHECK(adam_step(a, params->weights, params->grads, p->batch, 1e-4, 0, &norm) ==
          ST_OK);
    capnet_weights_changed(c);
}

static void measure(const struct plan *p, struct metrics_row *row)
{
    struct capnet *c = capnet_new(p->text, p->head, MOST, p->batch > 0);
    struct rng rng = {1};
    struct adam adam;
    double spent = 0, passes = 0;
    const bool *touched;
    size_t rows, cols;
    const int N = p->batch > 0 ? p->batch : MOST;
    const double bytes = make_texts(p->full);

    capnet_init_weights(c, &rng);
    adam_init(&adam, capnet_params(c)->floats);
    capnet_table(c, &rows, &cols, &touched);
    if (!p->dense) {
        adam_set_table(&adam, rows, cols, touched);
    }
    uint64_t start = clock_thread_cpu_ns();
    for (int i = 0; spent < seconds; i++) {
        const int from = i * N % TEXTS;
        if (i == 1) { // caches are warm: begin
            start = clock_thread_cpu_ns();
            passes = 0;
        }
        if (p->batch > 0) {
            step(c, &adam, p, from);
        } else {
            capnet_forward(c, texts + from, N, NULL);
        }
        passes++;
        spent = 1e-9 * (double)(clock_thread_cpu_ns() - start);
    }
    metrics_begin(row);
    metrics_text(row, "bench", p->batch > 0 ? "caption step" : "caption score");
    metrics_text(row, "net", p->net);
    metrics_int(row, "params", (int64_t)params_count(capnet_params(c)));
    metrics_int(row, "batch", N);
    metrics_num(row, "bytes", bytes);
    metrics_num(row, "captions_per_s", passes * N / spent);
    metrics_num(row, "us_per_caption", 1e6 * spent / (passes * N));
    metrics_num(row, "us_per_pass", 1e6 * spent / passes);
    metrics_text(row, "blas_core", mat_core_name());
    puts(metrics_end(row));
    capnet_free(c);
    adam_release(&adam);
}

/* The convolutions alone, forward, over all 256 bytes: unfold, BLAS, pool. */
static void plain_forward(const float *w, float *x, float *cols, float *y)
{
    static const int shape[6][4] = {{32, 7, 250, 3}, {64, 7, 77, 3}, {64, 3, 23, 1},
                                    {64, 3, 21, 1},  {64, 3, 19, 1}, {64, 3, 17, 3}};
    for (int s = 0; s < 6; s++) {
        const int IN = shape[s][0], row = IN * shape[s][1], R = shape[s][2];
        const int pool = shape[s][3];
        for (int r = 0; r < R; r++) {
            memcpy(cols + r * row, x + r * IN, sizeof(float) * (size_t)row);
        }
        mat_nt(y, 0, cols, w, R, 64, row);
        for (int i = 0; i < R / pool * 64; i++) {
            float most = 0;
            for (int j = 0; j < pool; j++) {
                const float v = y[(i / 64 * pool + j) * 64 + i % 64];
                most = v > most ? v : most;
            }
            x[i] = most;
        }
    }
}

static void measure_plain(struct metrics_row *row)
{
    float *w = mem_new(64 * 448, sizeof *w), *x = mem_new(256 * 64, sizeof *x);
    float *cols = mem_new(250 * 448, sizeof *cols), *y = mem_new(250 * 64, sizeof *y);
    double spent = 0, texts_done = 0;
    const uint64_t start = clock_thread_cpu_ns();
    for (; spent < seconds; texts_done++) {
        for (int i = 0; i < 256 * 32; i++) {
            x[i] = (float)(i % 5);
        }
        plain_forward(w, x, cols, y);
        spent = 1e-9 * (double)(clock_thread_cpu_ns() - start);
    }
    metrics_begin(row);
    metrics_text(row, "bench", "caption score");
    metrics_text(row, "net", "cnn plain");
    metrics_num(row, "us_per_caption", 1e6 * spent / texts_done);
    metrics_text(row, "blas_core", mat_core_name());
    puts(metrics_end(row));
    mem_free(w);
    mem_free(x);
    mem_free(cols);
    mem_free(y);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        enum capnet_text text;
        enum capnet_head head;
        bool full, dense;
    } nets[] = {{"ngram", CAPNET_NGRAM, CAPNET_RATE, false, false},
                {"ngram dense", CAPNET_NGRAM, CAPNET_RATE, false, true},
                {"cnn", CAPNET_CNN, CAPNET_RATE, false, false},
                {"cnn score", CAPNET_CNN, CAPNET_SCORE, false, false},
                {"cnn full", CAPNET_CNN, CAPNET_RATE, true, false}};
    static const int batches[] = {0, 64, 256};
    struct metrics_row row = {0};

    seconds = argc > 1 ? atof(argv[1]) : seconds;
    mat_set_threads(1);
    for (int n = 0; n < 5; n++) {
        for (int b = 0; b < 3; b++) {
            const struct plan plan = {nets[n].name, nets[n].text,  nets[n].head,
                                      nets[n].full, nets[n].dense, batches[b]};
            measure(&plan, &row);
        }
    }
    measure_plain(&row);
    metrics_release(&row);
    return 0;
}
