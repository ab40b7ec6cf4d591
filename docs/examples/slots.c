/* slots: list the slots that this user can read, and who reads them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <framecache/fc.h>

#include <inttypes.h>
#include <stdio.h>

static const char *const states[]
    = { "reserved", "live", "ended", "replaced", "removed", "writer lost" };

static int
print_consumer (const fc_consumer_stat_t *stat, void *user_data)
{
  printf ("    %s, pid %" PRIu32 ": %" PRIu64 " delivered, %" PRIu64
          " dropped\n",
          stat->name, stat->pid, stat->delivered, stat->dropped);
  return 0;
}

static int
print_slot (const fc_slot_stat_t *stat, void *user_data)
{
  printf ("%s/%s: %s, frame %" PRIu64 ", %.1f frames/s, %.1f MiB\n", stat->dir,
          stat->name, states[stat->state], stat->head, stat->frame_rate,
          (double) stat->bytes_allocated / (1 << 20));
  fc_slot_consumers (stat->dir, stat->name, print_consumer, NULL);
  return 0;
}

int
main (void)
{
  int r = fc_slot_list (NULL, print_slot, NULL);

  if (r < 0)
    fprintf (stderr, "%s\n", fc_error_detail ());
  return r < 0;
}
