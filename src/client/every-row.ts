/** Every row of a list that is answered in pages, page after page. `from`: the cursor that it begins at. */
export async function* everyRow<Page extends { readonly next_cursor: string | null }, Row>(
  read: (at: { cursor?: string }) => Promise<Page>,
  rowsOf: (page: Page) => readonly Row[],
  from?: string,
): AsyncGenerator<Row, void, void> {
  for (let cursor: string | null | undefined = from; cursor !== null; ) {
    const page: Page = await read(cursor === undefined ? {} : { cursor });
    yield* rowsOf(page);
    cursor = page.next_cursor;
  }
}
