#ifndef LEARNER_REWARD_WORDVEC_H
#define LEARNER_REWARD_WORDVEC_H
/* Word vectors out of a .vec file as fastText writes them: a first line "words dimensions",
 * then a line for each word, "word f f f ...". Such files have gigabytes, of which a run
 * needs a few thousand lines. So opening reads all of it once, in pieces, checks every line
 * and keeps 11 to 22 bytes a word: where its line begins. Vectors are read when a word is
 * first met, and the last few thousand of them are kept.
 *
 * The file is read and never mapped: a file that is cut off while it is in use would kill
 * the process that touches the map behind its new end. Training thread. */

#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/hash.h"
#include "common/base/status.h"

struct wordvec;

/* ST_INVALID (logged, with the number of the line): not such a file, a line that is broken,
 * or more or fewer lines than the first one says. ST_CLOSED: a stop was asked meanwhile.
 * ST_IO (logged). */
MUST_USE enum status wordvec_open(const char *path, struct wordvec **out);
void wordvec_close(struct wordvec *v); // NULL is fine

uint64_t wordvec_words(const struct wordvec *v);
int wordvec_dim(const struct wordvec *v);
struct hash128 wordvec_digest(const struct wordvec *v); // of all bytes of the file

/* *out (dim) holds until the next call. Of a word that stands there twice the first counts.
 * ST_NOTFOUND: it does not know the word. ST_CORRUPT (logged): the file is not what it was
 * when it was opened. */
MUST_USE enum status wordvec_find(struct wordvec *v, struct bytes word,
                                  const float **out);

#endif
