/* A slot's files as bytes, for the tests that damage them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_TEST_BYTES_H
#define FC_TEST_BYTES_H

#include "fc-layout.h"
#include "fc-test.h"

#include <sys/mman.h>

typedef struct
{
  char path[400];
  uint8_t *data;
  size_t size;
} bytes_t;

static inline bytes_t
bytes_load (const char *path)
{
  bytes_t bytes;
  struct stat st;
  int fd = open (path, O_RDONLY | O_CLOEXEC);

  CHECK (fd >= 0 && fstat (fd, &st) == 0);
  snprintf (bytes.path, sizeof bytes.path, "%s", path);
  bytes.size = (size_t) st.st_size;
  bytes.data = malloc (bytes.size);
  CHECK_EQ (read (fd, bytes.data, bytes.size), bytes.size);
  close (fd);
  return bytes;
}

/* Write SIZE of the bytes back in place of what is there. */
static inline void
bytes_store (const bytes_t *bytes, size_t size)
{
  int fd = open (bytes->path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);

  CHECK (fd >= 0);
  CHECK_EQ (write (fd, bytes->data, size), size);
  close (fd);
}

/* A file mapped to be read and written, for good. */
static inline void *
bytes_map (const char *path)
{
  struct stat st;
  int fd = open (path, O_RDWR | O_CLOEXEC);
  void *base;

  CHECK (fd >= 0 && fstat (fd, &st) == 0);
  base = mmap (NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
               fd, 0);
  CHECK (base != MAP_FAILED);
  close (fd);
  return base;
}

static inline fc_entry_t *
table_entry (void *table, uint32_t i)
{
  const fc_table_header_t *header = table;

  return (fc_entry_t *) ((char *) table + header->entries_offset
                         + (size_t) i * header->entry_stride);
}

#endif /* FC_TEST_BYTES_H */
