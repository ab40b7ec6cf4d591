/* Waiting: for a frame, on a word of one's own or, for observers, on the
 * ring's; for the slot itself; and being interrupted.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fc-consumer.h"

/* An observer can be woken late by another one: it looks again by itself,
 * after about one frame's time. */
#define OBSERVER_SLICE_MIN_NS (FC_NS_PER_S / 60)
#define SLOT_SLICE_NS (FC_NS_PER_S / 10)
#define EOS_SLICE_NS (FC_NS_PER_S / 50)
/* The clock costs as much as a look and the pause after it. */
#define LOOKS_AT_A_TIME 32

static bool
is_interrupted (const fc_consumer_t *c)
{
  /* is_interrupted:A, pairs with fc_consumer_interrupt:A. */
  return atomic_load_explicit (&c->interrupted, memory_order_seq_cst) != 0;
}

static int
check_interrupt (const fc_consumer_t *c)
{
  if (!is_interrupted (c))
    return 0;
  return fc_fail (FC_INTERRUPTED, "slot %s: the wait was interrupted", c->slot);
}

static int
check_time (const fc_consumer_t *c, uint64_t now, uint64_t until)
{
  if (now < until)
    return 0;
  return fc_fail (FC_TIMEOUT, "slot %s: no frame in the time given", c->slot);
}

/* Whether a reader has something to do: a frame, or an end. */
FC_HOT static bool
has_news (const fc_consumer_t *c, const fc_attachment_t *att)
{
  uint32_t state;
  uint64_t head;

  return fc_load_state (att, &state) < 0 || fc_load_head (att, &head) < 0
         || head != c->cursor
         || (state != FC_STATE_LIVE && state != FC_STATE_RESERVED);
}

static bool
writer_lives (const fc_attachment_t *att)
{
  if (att->observing)
    return fc_ring_lives (att);
  return fc_is_locked (att->table.fd, FC_LOCK_WRITER (att->table.entries), 1);
}

/* No frame came for a while: 0 where that is all there is to it. */
static int
look_at_life (fc_consumer_t *c)
{
  const fc_attachment_t *att = c->att;
  bool lives = writer_lives (att);
  uint32_t state;
  struct stat st;
  bool gone = fstat (att->fd, &st) == 0 && st.st_nlink == 0;
  int r;

  c->alive_at = fc_now (CLOCK_MONOTONIC);
  /* look_at_life:A, pairs with fc_cells_publish:C and
   * fc_generation_set_state:A. Looked at after the link and the lock: frames
   * that came before the ring lost its name, or an end in good order, are
   * taken first. An acquire load keeps what follows it behind itself, not
   * itself behind what the kernel looked at. */
  fc_fence (memory_order_acquire);
  if (has_news (c, att))
    return 0;
  r = fc_load_state (att, &state);
  if (r < 0)
    return r;
  if (gone)
    return fc_fail (FC_REPLACED, "%s was replaced or removed: attach again",
                    att->path);
  if (lives || state == FC_STATE_RESERVED)
    return 0;
  return fc_fail (FC_WRITER_LOST,
                  "the writer of %s died; waiting goes on until another one "
                  "takes over",
                  att->path);
}

/* For the processor: a loop that waits for another one's store. It then leaves
 * more of itself to its other hardware thread. */
static void
relax (void)
{
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause ();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Look whether there is something to do for as long as options.spin_ns allows:
 * false where there is not, and it is time to sleep. Meanwhile `waiting` is 0,
 * so the writer has nobody to wake, and neither side makes a system call. An
 * observer does not spin: each of its looks is four of them. */
static bool
spin (const fc_consumer_t *c, const fc_attachment_t *att, uint64_t now,
      uint64_t until)
{
  uint64_t end = c->frame_at + c->options.spin_ns;

  if (att->observing)
    return false;
  while (now < end && now < until)
    {
      for (int looks = 0; looks < LOOKS_AT_A_TIME; looks++)
        {
          if (has_news (c, att) || is_interrupted (c))
            return true;
          relax ();
        }
      now = fc_now (CLOCK_MONOTONIC);
    }
  return now >= until;
}

/* A word of one's own: whoever is trusted could wake it too early, or take a
 * wake-up away, for which it is a slice. */
FC_HOT static void
wait_as_consumer (fc_consumer_t *c, fc_attachment_t *att, uint64_t until)
{
  fc_entry_t *entry = att->entry;

  /* wait_as_consumer:A, pairs with is_waiting:A. */
  atomic_store_explicit (&entry->waiting, 1, memory_order_seq_cst);
  /* wait_as_consumer:B, pairs with fc_cells_publish:C: looked at after waiting
   * was stored. Who wakes has stored 0 before, which FUTEX_WAIT compares. */
  if (!has_news (c, att) && !is_interrupted (c))
    fc_futex_wait (&entry->waiting, 1, fc_until (until, FC_SLICE_NS));
  atomic_store_explicit (&entry->waiting, 0, memory_order_relaxed);
}

static void
wait_as_observer (fc_consumer_t *c, const fc_attachment_t *att, uint64_t until)
{
  uint64_t slice = fc_now (CLOCK_MONOTONIC) - c->frame_at;
  uint32_t wake;

  if (slice < OBSERVER_SLICE_MIN_NS)
    slice = OBSERVER_SLICE_MIN_NS;
  if (slice > FC_SLICE_NS)
    slice = FC_SLICE_NS;
  /* Before Linux 5.16 an interrupt is seen a slice later. */
  if (fc_load_wake (att, &wake) == 0 && !has_news (c, att)
      && !is_interrupted (c))
    fc_futex_wait_either (&att->words->wake, wake, &c->interrupted, 0,
                          fc_until (until, slice));
}

int
fc_consumer_may_go_on (const fc_consumer_t *c, uint64_t until)
{
  int r = check_interrupt (c);

  return r < 0 ? r : check_time (c, fc_now (CLOCK_MONOTONIC), until);
}

FC_HOT int
fc_consumer_wait (fc_consumer_t *c, uint64_t until)
{
  fc_attachment_t *att = c->att;
  uint64_t now = fc_now (CLOCK_MONOTONIC);
  int r = check_interrupt (c);

  if (c->delivered != c->alive_delivered)
    {
      c->alive_delivered = c->delivered;
      c->alive_at = c->frame_at = now;
    }
  if (r == 0 && now - c->alive_at >= FC_SLICE_NS)
    r = look_at_life (c);
  if (r == 0)
    r = check_time (c, now, until);
  if (r < 0 || spin (c, att, now, until))
    return r;
  if (att->observing)
    wait_as_observer (c, att, until);
  else
    wait_as_consumer (c, att, until);
  return 0;
}

/* The slot --------------------------------------------------------------- */

static int
watch_dirs (const fc_consumer_t *c)
{
  int fd = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
  fc_dir_t dir;

  if (fd < 0)
    return -1;
  for (unsigned n = 0; fc_dir_candidate (&dir, c->dir, n) != -ERANGE; n++)
    {
      if (dir.fd < 0)
        continue;
      (void) inotify_add_watch (fd, dir.path, IN_MOVED_TO | IN_ATTRIB);
      fc_dir_close (&dir);
    }
  return fd;
}

/* Whether what inotify has to tell, or a part of it, is a reason to look for
 * the slot: a directory may have hundreds of others, each with files that come
 * and change. What names no file (the directory changed or is gone, or there
 * was too much to tell) may be about any. */
static bool
is_told_of_slot (const fc_consumer_t *c, int inotify_fd)
{
  _Alignas(struct inotify_event) char events[4096];
  ssize_t size = read (inotify_fd, events, sizeof events);
  const struct inotify_event *event;
  char name[FC_FILE_MAX];

  fc_ring_name (name, c->slot);
  for (ssize_t at = 0; at < size; at += (ssize_t) (sizeof *event + event->len))
    {
      event = (const struct inotify_event *) (events + at);
      if (event->len == 0 || strcmp (event->name, name) == 0)
        return true;
    }
  return size <= 0;
}

/* Sleep until there is a reason to look for the slot, or UNTIL. */
static void
wait_to_be_told (const fc_consumer_t *c, int inotify_fd, uint64_t until)
{
  struct pollfd fds[2] = { { .fd = c->event_fd, .events = POLLIN },
                           { .fd = inotify_fd, .events = POLLIN } };
  bool told = false;

  while (!told)
    {
      uint64_t now = fc_now (CLOCK_MONOTONIC), count;

      if (now >= until
          || poll (fds, 2, (int) ((until - now) / 1000000) + 1) <= 0)
        return;
      /* What an interrupt and a resume that met half-way left over. The flag
       * is not touched: an interrupt of just now is seen at the next look. */
      if (fds[0].revents != 0)
        (void) !read (c->event_fd, &count, sizeof count);
      told = fds[0].revents != 0 || is_told_of_slot (c, inotify_fd);
    }
}

int
fc_wait_for_slot (fc_consumer_t *c, int *inotify_fd, uint64_t until)
{
  const fc_attachment_t *att = c->att;
  uint64_t now = fc_now (CLOCK_MONOTONIC);
  /* What inotify does not tell: a directory that is made, an ended ring that
   * goes on. */
  uint64_t slice = att != NULL ? EOS_SLICE_NS : SLOT_SLICE_NS;
  int r = check_interrupt (c);

  if (r < 0)
    return r;
  if (now >= until)
    return -ENOENT;
  if (*inotify_fd < 0)
    {
      /* Look again before the first wait: it may have come in between. */
      *inotify_fd = watch_dirs (c);
      if (*inotify_fd >= 0)
        return 0;
    }
  wait_to_be_told (c, *inotify_fd, fc_until (until, slice));
  return 0;
}

/* Interrupting ------------------------------------------------------------- */

void
fc_consumer_interrupt (fc_consumer_t *c)
{
  static const uint64_t one = 1;
  int saved = errno;
  fc_attachment_t *att;

  if (fc_is_copy (c->mark))
    return;
  /* fc_consumer_interrupt:A, pairs with is_interrupted:A. */
  atomic_store_explicit (&c->interrupted, 1, memory_order_seq_cst);
  (void) !write (c->event_fd, &one, sizeof one);
  fc_futex_wake_own (&c->interrupted);
  /* fc_consumer_interrupt:B, pairs with set_attachment:A: the attachment
   * is not left while one of these is under way. */
  atomic_fetch_add_explicit (&c->interrupters, 1, memory_order_seq_cst);
  att = atomic_load_explicit (&c->att, memory_order_seq_cst);
  if (att != NULL && !att->observing)
    fc_table_wake (att->entry);
  atomic_fetch_sub_explicit (&c->interrupters, 1, memory_order_seq_cst);
  errno = saved;
}

void
fc_consumer_resume (fc_consumer_t *c)
{
  uint64_t count;

  if (fc_is_copy (c->mark))
    return;
  /* fc_consumer_resume:A, pairs with is_interrupted:A. Where nothing was
   * interrupted there is nothing to read: some callers ask before each frame.
   */
  if (atomic_exchange_explicit (&c->interrupted, 0, memory_order_seq_cst) != 0)
    (void) !read (c->event_fd, &count, sizeof count);
}
