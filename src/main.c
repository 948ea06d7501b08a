#include <stdio.h>

int main(void)
{
    puts("attentiond " ATTENTIOND_VERSION);
    return 0;
}
