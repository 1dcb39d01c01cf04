#include "judge/goal.h"

#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"

static enum status refuse(const struct goal *g, int line, const char *why)
{
    LOG_ERROR("GOAL-TEXT", "goal %s, line %d: %s", g->name, line, why);
    return ST_INVALID;
}

static enum status take_line(struct goal *g, char *line, int number)
{
    if (strlen(line) > GOAL_LINE_MAX) {
        return refuse(g, number, "longer than 500 bytes");
    }
    line = text_trim(line);
    if (line[0] == '\0' || line[0] == '#') {
        return ST_OK;
    }
    if (g->view.sentence == NULL) {
        g->view.sentence = line;
        return ST_OK;
    }
    if (strncmp(line, "- ", 2) != 0) {
        return refuse(g, number,
                      "after the sentence only principles, '- ...', may follow");
    }
    if (g->view.principle_count == GOAL_PRINCIPLES_MAX) {
        return refuse(g, number, "more than 64 principles");
    }
    g->principles[g->view.principle_count++] = text_trim(line + 2);
    return ST_OK;
}

static void copy_name(char out[GOAL_NAME_MAX], struct bytes name)
{
    const size_t len = name.len < GOAL_NAME_MAX ? name.len : GOAL_NAME_MAX - 1;

    memcpy(out, name.data, len);
    out[len] = '\0';
}

static enum status parse(struct goal *g)
{
    char *rest = g->lines;

    for (int number = 1; rest != NULL; number++) {
        char *line = rest;
        rest = strchr(line, '\n');
        if (rest != NULL) {
            *rest++ = '\0';
        }
        TRY(take_line(g, line, number));
    }
    return g->view.sentence != NULL ? ST_OK : refuse(g, 1, "holds no sentence");
}

enum status goal_init(struct goal *g, struct bytes name, struct bytes task,
                      struct bytes text)
{
    CHECK(g->text == NULL);
    copy_name(g->name, name);
    copy_name(g->task, task);
    copy_name(g->family, task);
    g->family[strcspn(g->family, "-")] = '\0';
    if (text.len > 0 && memchr(text.data, 0, text.len) != NULL) {
        return refuse(g, 1, "holds a zero byte");
    }
    g->text = mem_new(text.len + 1, 1);
    g->lines = mem_new(text.len + 1, 1);
    if (text.len > 0) {
        memcpy(g->text, text.data, text.len);
        memcpy(g->lines, text.data, text.len);
    }
    g->view = (struct judge_goal){.name = g->name,
                                  .principles = g->principles,
                                  .task = g->task,
                                  .family = g->family,
                                  .text = g->text};
    const enum status st = parse(g);
    if (st != ST_OK) {
        goal_release(g);
    }
    return st;
}

void goal_release(struct goal *g)
{
    mem_free(g->text);
    mem_free(g->lines);
    *g = (struct goal){0};
}
