/* A program with an allocator of its own, which knows what it gave. */
#include "host.h"
#include <stdint.h>

#define ROOM (512UL << 20)
#define GIVEN 0x6769766e67697665UL
#define FREED 0x6672656466726564UL

struct block { uint64_t mark, size; };

static char *memory;
static size_t used;
static unsigned long given;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *give(size_t size, size_t alignment) {
    if (alignment < 16) alignment = 16;
    pthread_mutex_lock(&lock);
    static char early[1 << 20];
    if (!memory) memory = early;
    size_t room = memory == early ? sizeof early : ROOM;
    size_t at = ((size_t)memory + used + sizeof(struct block) + alignment - 1) / alignment * alignment - (size_t)memory;
    if (at + size > room && memory == early) {
        extern void *mmap(void *, size_t, int, int, int, off_t);
        memory = mmap(NULL, ROOM, 3, 0x22 | 0x4000, -1, 0);
        used = 0;
        at = ((size_t)memory + sizeof(struct block) + alignment - 1) / alignment * alignment - (size_t)memory;
        room = ROOM;
    }
    if (at + size > room) abort();
    used = at + size;
    given++;
    pthread_mutex_unlock(&lock);
    struct block *block = (struct block *)(memory + at) - 1;
    *block = (struct block){GIVEN, size};
    return memory + at;
}

static struct block *of(void *pointer) {
    struct block *block = (struct block *)pointer - 1;
    if (block->mark != GIVEN) abort();
    return block;
}

void *malloc(size_t size) { return memset(give(size, 16), 0xa5, size); }
void *calloc(size_t count, size_t size) { return memset(give(count * size, 16), 0, count * size); }
void *aligned_alloc(size_t alignment, size_t size) { return give(size, alignment); }
void *memalign(size_t alignment, size_t size) { return give(size, alignment); }
int posix_memalign(void **pointer, size_t alignment, size_t size) {
    *pointer = give(size, alignment);
    return 0;
}
size_t malloc_usable_size(void *pointer) { return pointer ? of(pointer)->size : 0; }
void free(void *pointer) {
    if (!pointer) return;
    struct block *block = of(pointer);
    block->mark = FREED;
    memset(pointer, 0xdf, block->size);
}
void *realloc(void *pointer, size_t size) {
    if (!pointer) return malloc(size);
    size_t before = of(pointer)->size;
    void *moved = memcpy(malloc(size), pointer, before < size ? before : size);
    free(pointer);
    return moved;
}

int main(void) {
    prepare();
    unsigned long before = given;
    report("here");
    if (given == before) die("nobody asked");
    printf("end\n");
    return 0;
}
