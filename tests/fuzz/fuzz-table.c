/* A consumer table with anything in it, and with any of its locks taken, as
 * whoever a slot trusts can: for those who look at it, who attach, who collect
 * the dead's entries, and the next writer.
 *
 * The input is a byte that says how to read, one of the locks, and changes
 * (slot.h) of the table.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <unistd.h>

#include "slot.h"

/* Those of the entries, the writer's life, and its cells that are out. */
#define LOCKS (SLOT_CONSUMERS + 2)

/* A description of its own has the locks, as another process would; closing it
 * ends them. */
static int
take_locks (uint8_t which)
{
  int fd = open (slot_table.path, O_RDWR | O_CLOEXEC);

  for (int i = 0; i < LOCKS; i++)
    {
      struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = i, .l_len = 1
      };

      if ((which >> i & 1) != 0)
        (void) fcntl (fd, F_OFD_SETLK, &lock);
    }
  return fd;
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  slot_init ();
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  fuzz_t in = { data, size };
  uint8_t how = fuzz_byte (&in);
  uint8_t locked = fuzz_byte (&in);
  int locks;

  slot_restore ();
  locks = take_locks (locked);
  do
    {
      slot_change_t change = slot_next_change (&in);

      slot_apply (&slot_table, &change);
    }
  while (in.size > 0);
  slot_look ();
  slot_read (how & 0xfe);
  slot_read (how | 1);
  slot_write_again ();
  close (locks);
  return 0;
}
