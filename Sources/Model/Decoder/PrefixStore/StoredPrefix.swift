// SPDX-License-Identifier: Apache-2.0
import FileOutput
import TensorOps
import Weights
import WorkerPool

/// A file with the first rows of a sequence: a head, whose index names the rows' tokens and has a checksum of each
/// page, and the pages.
struct StoredPrefix {
    /// What each of its rows stands for.
    let tokens: [Int32]

    private let file: CacheFile
    private let pagesStart: Int
    private let checksums: [UInt64]

    /// The version of the rows' bits.
    ///
    /// Raise it where a decoder gets other bits from the same weights, or where a page's layout changes.
    private static let rowVersion: UInt32 = 1
    private static let head = CacheFileHead(
        magic: "TRIMPREF", version: 1, layoutVersion: rowVersion)

    /// Maps a file.
    ///
    /// - Parameters:
    ///   - source: what the rows were computed from, and how.
    ///   - pageBytes: bytes of a page.
    init(path: String, source: String, pageBytes: Int) throws(CacheFile.Refusal) {
        file = try CacheFile(path: path)
        guard var reader = Self.head.index(of: file.bytes), let stored = reader.text(),
            let tokens = reader.list({ $0.integer(Int32.self) }),
            let checksums = reader.list({ $0.integer(UInt64.self) })
        else { throw .damaged }
        guard stored == source else { throw .stale }
        pagesStart = CacheFileHead.aligned(reader.offset)
        guard checksums.count == CachePageLayout.pageCount(tokens.count),
            file.bytes.count == pagesStart + checksums.count * pageBytes
        else { throw .damaged }
        self.tokens = tokens
        self.checksums = checksums
    }

    /// Whether a file looks like one of these.
    static func isOne(path: String) -> Bool {
        guard let file = try? CacheFile(path: path) else { return false }
        return head.isAtStart(of: file.bytes)
    }

    /// The first rows as a sequence of a pool.
    ///
    /// - Parameter workers: the threads that compare the pages with their checksums.
    /// - Returns: nil for damaged pages.
    /// - Throws: `ModelError.outOfCachePages`.
    func rows(
        _ count: Int, in pool: CachePagePool, _ workers: WorkerPool
    ) throws(ModelError) -> KeyValueCache? {
        let pageBytes = pool.layout.byteCount
        let contents = (0..<CachePageLayout.pageCount(count)).map { page in
            UnsafeRawBufferPointer(
                rebasing: file.bytes[(pagesStart + page * pageBytes)...].prefix(pageBytes))
        }
        let cache = try KeyValueCache(pool, rows: count, contents: contents)
        // The copy is compared, for a file that is not replaced but written into could still change.
        let isSound = zip(cache.contents, checksums).allSatisfy {
            PanelChecksum.of($0, workers) == $1
        }
        return isSound ? cache : nil
    }

    /// Writes a sequence to a temporary file, which replaces `path` when it is complete and on disk.
    ///
    /// - Throws: `FileOutputError`.
    static func write(
        _ cache: KeyValueCache, of tokens: [Int32], source: String, to path: String,
        _ workers: WorkerPool
    ) throws(FileOutputError) {
        var index: [UInt8] = []
        index.append(text: source)
        index.append(UInt32(tokens.count))
        for token in tokens { index.append(token) }
        let pages = cache.contents
        index.append(UInt32(pages.count))
        for page in pages { index.append(PanelChecksum.of(page, workers)) }
        let beginning = head.encoded(index)
        let file = try OutputFile(FilePath(path), makesFolders: true)
        try file.append(beginning)
        let gap = CacheFileHead.aligned(beginning.count) - beginning.count
        try file.append(repeatElement(UInt8(0), count: gap))
        for page in pages { try file.append(page) }
        try file.finish()
    }
}
