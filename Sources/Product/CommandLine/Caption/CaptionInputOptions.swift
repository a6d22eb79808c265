// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Captioning
import FileOutput

/// The pictures to caption.
struct CaptionInputOptions: ParsableArguments {
    @Flag(name: [.short, .long], help: "Search subfolders too.")
    var recursive = false

    @Option(
        help: ArgumentHelp(
            """
            Read more inputs from a file, or - for standard input. They are separated by line ends, or by \
            NULs as find -print0 writes them.
            """, valueName: "file"),
        completion: .file())
    var filelist: String?

    @Option(
        help: ArgumentHelp(
            "Caption part i of n only. A picture always belongs to the same part.",
            valueName: "i/n"),
        transform: { text in
            guard let shard = Shard(parsing: text) else {
                throw ValidationError("expected i/n with 1 ≤ i ≤ n, such as 2/8")
            }
            return shard
        })
    var shard: Shard?

    /// The paths in the list; nil without one.
    func listed() throws -> [FilePath]? {
        try filelist.map { try FileList.paths(in: FilePath($0)) }
    }

    /// The pictures of the arguments and the list.
    func pictures(_ paths: [FilePath], _ listed: [FilePath]?) -> PictureInputs {
        var inputs = PictureInputs(isRecursive: recursive, shard: shard)
        for path in paths { inputs.add(path) }
        if let filelist, let listed {
            for path in listed { inputs.addNamed(path) }
            if listed.isEmpty { inputs.addEmptyList(FilePath(filelist)) }
        }
        return inputs
    }
}
