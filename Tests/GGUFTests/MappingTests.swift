// SPDX-License-Identifier: Apache-2.0
import Foundation
import GGUF
import TestSupport
import Testing

/// Files that cannot be mapped, and the lifetime of mappings.
@Suite struct MappingTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test func refusesWhatIsNotAReadableFile() throws {
        let empty = try folder.write([], to: "empty.gguf")
        expectUnreadable(folder.path, "is a folder")
        expectUnreadable(empty, "the file is empty")
        expectUnreadable(folder.path + "/absent.gguf", "No such file or directory")
        expectUnreadable(empty + "/below", "Not a directory")
        expectUnreadable("", "No such file or directory")
        expectUnreadable(folder.path + "/a\0b", "zero byte")
        expectUnreadable("/dev/null", "is not a regular file")
    }

    @Test func doesNotWaitForThePeerOfANamedPipe() {
        let pipe = folder.path + "/pipe.gguf"
        #expect(mkfifo(pipe, 0o600) == 0)
        expectUnreadable(pipe, "is not a regular file")
    }

    @Test(.enabled(if: geteuid() != 0, "the superuser may read every file"))
    func refusesFilesWithoutPermission() throws {
        let path = try folder.write(GGUFWriter().bytes(), to: "secret.gguf")
        #expect(chmod(path, 0) == 0)
        expectUnreadable(path, "Permission denied")
    }

    #if os(Linux)
        @Test func opensFourGibibytesWithoutReadingThem() async {
            // In a separate process, whose peak memory shows which pages were touched.
            await #expect(processExitsWith: .success) {
                let folder = try TemporaryFolder()
                let path = try writeSparseFile(folder, elements: 1 << 30)
                let before = peakResidentBytes()
                let file = try GGUFFile(path: path)
                guard file.byteCount > 1 << 32, file.tensors[0].bytes.last == 0,
                    peakResidentBytes() - before < 4 << 20
                else { exit(EXIT_FAILURE) }
            }
        }

        @Test func refusesFilesThatDoNotFitTheAddressSpace() async {
            await #expect(processExitsWith: .success) {
                let folder = try TemporaryFolder()
                let path = try writeSparseFile(folder, elements: 1 << 30)
                try capAddressSpace(extraBytes: 1 << 30)
                guard case .unreadable(path, let reason) = refusal(path: path),
                    reason == "cannot map the file: Cannot allocate memory"
                else { exit(EXIT_FAILURE) }
            }
        }

        @Test func unmapsWithTheLastReference() throws {
            let path = try folder.write(sampleFile(rows: 1).bytes(), to: "mapped.gguf")
            var file: GGUFFile? = try GGUFFile(path: path)
            var tensor = file?.tensors.last
            #expect(try isMapped(path))
            let expected = file?.tensors.last?.floats()
            file = nil
            #expect(try isMapped(path))
            #expect(tensor?.floats() == expected)
            tensor = nil
            #expect(try !isMapped(path))
        }

        @Test func unmapsFilesThatItRefuses() throws {
            let path = try folder.write(
                Array(sampleFile(rows: 1).bytes().dropLast(500)), to: "refused.gguf")
            #expect(refusal(path: path) != nil)
            #expect(try !isMapped(path))
        }

        private func isMapped(_ path: String) throws -> Bool {
            // `readToEnd`, because the kernel returns the list in pieces.
            let maps = try FileHandle(forReadingAtPath: "/proc/self/maps")?.readToEnd()
            return String(decoding: try #require(maps), as: UTF8.self).contains(path)
        }
    #endif

    private func expectUnreadable(
        _ path: String, _ reason: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let error = refusal(path: path)
        guard case .unreadable(path, let found) = error else {
            Issue.record("\(String(describing: error))", sourceLocation: sourceLocation)
            return
        }
        #expect(found.contains(reason), sourceLocation: sourceLocation)
    }
}

/// A file whose one tensor of zeros takes no space on disk.
private func writeSparseFile(_ folder: TemporaryFolder, elements: Int) throws -> String {
    var writer = GGUFWriter()
    writer.add(GGUFWriterTensor(name: "zeros", type: 0, shape: [elements], bytes: []))
    let path = try folder.write(writer.bytes(), to: "sparse.gguf")
    let size = off_t(writer.bytes().count + 4 * elements)
    guard truncate(path, size) == 0 else {
        throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
    }
    return path
}
