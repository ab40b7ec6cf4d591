/* framecache: writes slots for the registry's tests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * slot-writer [OPTION...] SLOT...
 *
 * Prints "ready" when every slot has its first frame (with --rate=0: is
 * open), and writes one frame into each at the rate until standard input ends
 * or SIGTERM comes; it then closes its slots. Lines on standard input:
 *   pause      write no more frames
 *   go         write again
 *   finish     end of stream: the slots stay, and say EOS
 * each answered by a line of the same word. A frame begins and ends with its
 * own number, 8 bytes in the machine's order.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fc.h"

#define SLOTS_MAX 256
#define SECOND 1000000000ull

static fc_writer_t *writers[SLOTS_MAX];
static int n_writers;
static unsigned char *payload;
static volatile sig_atomic_t told_to_end;

static void
end (int number)
{
  told_to_end = 1;
}

static void
must (int r)
{
  if (r >= 0)
    return;
  fprintf (stderr, "slot-writer: %s\n", fc_error_detail ());
  exit (1);
}

static void
say (const char *word)
{
  puts (word);
  fflush (stdout);
}

static fc_share_t
share (const char *word)
{
  return !strcmp (word, "all")     ? FC_SHARE_ALL
         : !strcmp (word, "group") ? FC_SHARE_GROUP
                                   : FC_SHARE_USER;
}

static uint64_t
now (void)
{
  struct timespec time;

  clock_gettime (CLOCK_MONOTONIC, &time);
  return (uint64_t) time.tv_sec * SECOND + (uint64_t) time.tv_nsec;
}

static void
write_frames (size_t size)
{
  fc_writer_stats_t stats = FC_WRITER_STATS_INIT;

  for (int i = 0; i < n_writers; i++)
    {
      must (fc_writer_stats (writers[i], &stats));
      memcpy (payload, &stats.head, sizeof stats.head);
      memcpy (payload + size - sizeof stats.head, &stats.head,
              sizeof stats.head);
      must (fc_writer_write (writers[i], payload, size, NULL, NULL));
    }
}

/* One line of standard input; 0 where there will be no more. */
static int
obey (int *writing)
{
  char line[32];

  if (!fgets (line, sizeof line, stdin))
    return 0;
  line[strcspn (line, "\n")] = 0;
  if (!strcmp (line, "pause"))
    *writing = 0;
  else if (!strcmp (line, "go"))
    *writing = 1;
  else if (!strcmp (line, "finish"))
    {
      *writing = 0;
      for (int i = 0; i < n_writers; i++)
        must (fc_writer_finish (writers[i]));
    }
  else
    {
      fprintf (stderr, "slot-writer: no such command: %s\n", line);
      exit (2);
    }
  say (line);
  return 1;
}

/* Until the next frame is due at DUE or there is something to read: whether
 * the frame is due. */
static int
wait_until (uint64_t due, int writing, struct pollfd *input)
{
  uint64_t left = now ();
  struct timespec pause;

  left = due > left ? due - left : 0;
  pause.tv_sec = (time_t) (left / SECOND);
  pause.tv_nsec = (long) (left % SECOND);
  input->revents = 0;
  if (ppoll (input, 1, writing ? &pause : NULL, NULL) < 0 && errno != EINTR)
    exit (1);
  return writing && now () >= due;
}

static void
run (double rate, size_t size)
{
  struct pollfd input = { STDIN_FILENO, POLLIN, 0 };
  uint64_t period = rate > 0 ? (uint64_t) (SECOND / rate) : 0;
  uint64_t due = now ();
  int writing = period > 0;

  if (writing)
    write_frames (size);
  say ("ready");
  while (!told_to_end)
    {
      if (wait_until (due, writing && period, &input))
        {
          write_frames (size);
          due += period;
          /* what a busy machine held up is not made up for */
          if (due + SECOND < now ())
            due = now ();
        }
      if (input.revents && !obey (&writing))
        break;
    }
}

static int
usage (void)
{
  fputs ("usage: slot-writer [--directory=DIR] [--size=BYTES] [--depth=N] "
         "[--rate=PER-SECOND] [--format=TEXT] [--consumers=N] [--leases=N] "
         "[--access=user|group|all] [--trust=user|group|all] SLOT...\n",
         stderr);
  return 2;
}

static const struct option names[] = {
  { "directory", 1, NULL, 'd' }, { "size", 1, NULL, 's' },
  { "depth", 1, NULL, 'n' },     { "rate", 1, NULL, 'r' },
  { "format", 1, NULL, 'f' },    { "consumers", 1, NULL, 'c' },
  { "leases", 1, NULL, 'l' },    { "access", 1, NULL, 'a' },
  { "trust", 1, NULL, 't' },     { NULL, 0, NULL, 0 },
};

static int
parse (int argc, char **argv, fc_writer_options_t *options, double *rate)
{
  int option;

  while ((option = getopt_long (argc, argv, "", names, NULL)) != -1)
    switch (option)
      {
      case 'd':
        options->dir = optarg;
        break;
      case 's':
        options->frame_size = strtoull (optarg, NULL, 10);
        break;
      case 'n':
        options->ring_depth = (uint32_t) strtoul (optarg, NULL, 10);
        break;
      case 'r':
        *rate = strtod (optarg, NULL);
        break;
      case 'f':
        options->format = optarg;
        options->format_size = (uint32_t) strlen (optarg);
        break;
      case 'c':
        options->max_consumers = (uint32_t) strtoul (optarg, NULL, 10);
        break;
      case 'l':
        options->leases = (uint32_t) strtoul (optarg, NULL, 10);
        break;
      case 'a':
        options->access = share (optarg);
        break;
      case 't':
        options->trust = share (optarg);
        break;
      default:
        return 0;
      }
  return optind < argc && argc - optind <= SLOTS_MAX
         && options->frame_size >= sizeof (uint64_t);
}

int
main (int argc, char **argv)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  struct sigaction action = { .sa_handler = end };
  double rate = 30;

  options.frame_size = 4096;
  options.ring_depth = 8;
  options.format = "test/frames";
  options.format_size = 11;
  if (!parse (argc, argv, &options, &rate))
    return usage ();
  sigaction (SIGTERM, &action, NULL);
  setvbuf (stdin, NULL, _IONBF, 0);
  payload = calloc (1, options.frame_size);
  if (!payload)
    return 1;
  for (; optind < argc; n_writers++, optind++)
    must (fc_writer_open (&writers[n_writers], argv[optind], &options));
  run (rate, options.frame_size);
  while (n_writers)
    fc_writer_close (writers[--n_writers]);
  free (payload);
  return 0;
}
