/* The files of a slot, to be changed by a fuzzer's input and put back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FUZZ_SLOT_H
#define FUZZ_SLOT_H

#include <sys/types.h>

#include "fc.h"
#include "fuzz.h"

#define SLOT_FRAME 512
#define SLOT_DEPTH 4
#define SLOT_FRAMES 5
#define SLOT_CONSUMERS 2
#define SLOT_LEASES 2

/* A file as it is when nothing was changed. */
typedef struct
{
  char path[320];
  uint8_t *data;
  size_t size;
} slot_file_t;

/* The folder, which is this process's own and goes with it; and the files of
 * cam0, which a writer has left with SLOT_FRAMES frames in them and a consumer,
 * by then dead, that held one. */
extern char slot_dir[];
extern slot_file_t slot_ring, slot_table;

void slot_init (void);
/* Of a writer that finds nothing changed, and carries on. */
fc_writer_options_t slot_options (void);
/* Each frame's bytes are its number; every other one is a key frame. */
void slot_write (fc_writer_t *writer, unsigned count);
/* Whether DATA are the bytes of frame SEQ. */
int slot_is_frame (const void *data, size_t size, uint64_t seq);

/* Put the files back; who has them mapped has what was there before. */
void slot_restore (void);
/* As slot_restore (), in the files that are there. */
void slot_restore_in_place (void);
/* Where (16 bits, in units of 1, 4 or 64 bytes), how many bytes, and the
 * bytes; or the length to cut a file to. */
typedef struct
{
  off_t at;
  size_t size;
  int cut;
  uint8_t bytes[16];
} slot_change_t;

slot_change_t slot_next_change (fuzz_t *in);
/* WHAT says which units; for who has that byte already. */
slot_change_t slot_take_change (fuzz_t *in, uint8_t what);
void slot_apply (const slot_file_t *file, const slot_change_t *change);

/* All that looks at a slot without attaching to it. */
void slot_look (void);
/* Both check what has to be true whatever the files hold. */
void slot_use (const fc_frame_t *frame);
void slot_check_counts (fc_consumer_t *consumer);
/* Attach as HOW says, read, lease and seek. */
void slot_read (uint8_t how);
/* Collect, and go on as the next writer. */
void slot_write_again (void);

#endif /* FUZZ_SLOT_H */
