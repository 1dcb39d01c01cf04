#include "common/base/stop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/signalfd.h>
#include <ucontext.h>
#include <unistd.h>

#include "common/base/check.h"

static int fd = -1;
static bool signalled; // main thread: a signal came, whatever a message said
static atomic_bool asked, at_once;

static sigset_t ours(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    return set;
}

/* Runs only in a thread that is older than stop_open(): OpenBLAS makes its workers before
 * main() begins, and the kernel gives a signal to any thread that does not block it. Block
 * it there from now on, and send it again, to wait for the signalfd. */
static void block_and_repeat(int number, siginfo_t *info, void *context)
{
    (void)info;
    sigaddset(&((ucontext_t *)context)->uc_sigmask, number);
    kill(getpid(), number);
}

void stop_open(void)
{
    const sigset_t set = ours();
    struct sigaction act = {.sa_flags = SA_SIGINFO | SA_RESTART};

    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    act.sa_sigaction = block_and_repeat;
    act.sa_mask = set;
    CHECK(sigaction(SIGINT, &act, NULL) == 0 && sigaction(SIGTERM, &act, NULL) == 0 &&
          sigaction(SIGUSR1, &act, NULL) == 0);
    fd = signalfd(fd, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    CHECK(fd >= 0);
    signalled = false;
    atomic_store(&asked, false);
    atomic_store(&at_once, false);
}

int stop_fd(void)
{
    return fd;
}

void stop_poll(void)
{
    struct signalfd_siginfo info;

    while (fd >= 0 && read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        // Only a second signal hurries: Ctrl-C reaches every process of a terminal at
        // once, and an actor may hear the learner's stop message before its own INT.
        if (signalled && info.ssi_signo != SIGUSR1) {
            atomic_store(&at_once, true);
        }
        signalled = true;
        stop_ask();
    }
}

void stop_ask(void)
{
    atomic_store(&asked, true);
}

bool stop_asked(void)
{
    return atomic_load(&asked);
}

bool stop_at_once(void)
{
    return atomic_load(&at_once);
}
