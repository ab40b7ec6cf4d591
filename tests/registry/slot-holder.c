/* framecache: consumers that hold what they get, for the registry's tests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * slot-holder [--directory=DIR] [--name=TEXT] SLOT CONSUMERS LEASES
 *
 * CONSUMERS attach to SLOT, one after the other, and each leases the next
 * LEASES frames. Prints "ready" when all are held, and lets go when standard
 * input ends.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fc.h"

#define PATIENCE INT64_C (60000000000) /* ns */

static void
must (int r)
{
  if (r >= 0)
    return;
  fprintf (stderr, "slot-holder: %s\n", fc_error_detail ());
  exit (1);
}

static fc_consumer_t *
hold (const char *slot, const fc_consumer_options_t *options, fc_frame_t *held,
      int n)
{
  fc_consumer_t *consumer = NULL;

  must (fc_consumer_open (&consumer, slot, options));
  for (int i = 0; i < n; i++)
    {
      held[i] = (fc_frame_t) FC_FRAME_INIT;
      must (fc_consumer_lease (consumer, &held[i], PATIENCE));
    }
  return consumer;
}

static int
usage (void)
{
  fputs ("usage: slot-holder [--directory=DIR] [--name=TEXT] SLOT CONSUMERS "
         "LEASES\n",
         stderr);
  return 2;
}

int
main (int argc, char **argv)
{
  static const struct option names[] = { { "directory", 1, NULL, 'd' },
                                         { "name", 1, NULL, 'n' },
                                         { NULL, 0, NULL, 0 } };
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  fc_consumer_t **consumers;
  fc_frame_t *held;
  int option, n, leases;
  char byte;

  while ((option = getopt_long (argc, argv, "", names, NULL)) != -1)
    switch (option)
      {
      case 'd':
        options.dir = optarg;
        break;
      case 'n':
        options.name = optarg;
        break;
      default:
        return usage ();
      }
  if (argc - optind != 3)
    return usage ();
  n = atoi (argv[optind + 1]);
  leases = atoi (argv[optind + 2]);
  consumers = calloc ((size_t) n + 1, sizeof *consumers);
  held = calloc ((size_t) n * (size_t) leases + 1, sizeof *held);
  if (consumers == NULL || held == NULL)
    return 1;
  for (int i = 0; i < n; i++)
    consumers[i] = hold (argv[optind], &options, held + i * leases, leases);
  puts ("ready");
  fflush (stdout);
  while (read (STDIN_FILENO, &byte, 1) > 0)
    ;
  for (int i = 0; i < n * leases; i++)
    fc_consumer_release (consumers[i / leases], &held[i]);
  while (n > 0)
    fc_consumer_close (consumers[--n]);
  free (held);
  free (consumers);
  return 0;
}
