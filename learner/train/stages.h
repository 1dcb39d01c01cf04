#ifndef LEARNER_TRAIN_STAGES_H
#define LEARNER_TRAIN_STAGES_H
/* The parts of a step, in their order. Any thread. */

/* Where the time of a step goes; *_WAIT is asleep or spinning for somebody else. */
enum train_stage {
    STAGE_DRAW_WAIT, // for actors
    STAGE_DRAW,
    STAGE_GATHER,
    STAGE_REWARD,
    STAGE_FORWARD,
    STAGE_VTRACE,
    STAGE_AGREE, // waits for other ranks inside
    STAGE_EXCHANGE,
    STAGE_FIT, // of the reward's model
    STAGE_LOSS,
    STAGE_BACKWARD,
    STAGE_SUM, // likewise
    STAGE_ADAM,
    STAGE_PUBLISH, // frame of weights, journal
    STAGE_CHECKPOINT,
    STAGES
};
const char *train_stage_name(enum train_stage s); // "draw"

#endif
