// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import FileOutput
import TrimLLaVA

/// `trimllava prune-map`: draws which patches of a picture a selector keeps.
struct PruneMapCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune-map",
        abstract: "Draws which visual tokens of a picture are kept.",
        discussion: """
            The map dims dropped patches and outlines kept ones. Models with tiles, such as LLaVA-NeXT and SmolVLM, see \
            a picture twice, as a whole and in tiles; the map shows both. Only the vision tower and the projector run.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Pruning") var pruning: PruningArguments
    @OptionGroup(title: "Safety") var sandbox: SandboxOptions

    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: ArgumentHelp("The question, for selectors that use it.", valueName: "text"))
    var prompt = LLaVA.defaultQuestion

    @Flag(help: "Crop the picture to its middle square for LLaVA-1.5, as Hugging Face does.")
    var crop = false

    @Flag(help: "Ignore the EXIF orientation of the picture.")
    var ignoreOrientation = false

    @Flag(name: [.short, .long], help: "Print no progress or counts.")
    var quiet = false

    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            "The map to write, a PNG; - for standard output.", valueName: "file"),
        completion: .file())
    var output: String

    @Argument(
        help: ArgumentHelp(
            "A JPEG, PNG or WebP file, or - for standard input.", valueName: "picture"),
        completion: .file())
    var picture: String

    func validate() throws {
        if pruning.keep == nil { throw ValidationError("--keep is required") }
        try pruning.checkEffect()
        try model.checkSeesPictures()
        try checkExtension(of: output, is: "png", "-o")
    }

    func run() throws {
        try TextInput.checkArguments()
        guard let options = pruning.options else { return }
        let files = try checkingFiles { files in
            try files.reads(model)
            try files.reads(pictures: [self.picture])
            try files.writesAtEnd(output, as: "-o")
            return files
        }
        try sandbox.close(files, model)
        let picture = try PictureDecoder.load(
            path: picture, applyOrientation: !ignoreOrientation,
            transparency: model.transparency)
        let llava = try model.load(quiet: quiet)
        let progress = ProgressLine(quiet: quiet)
        defer { progress.erase() }
        let selection = try llava.selection(
            of: picture, question: prompt, by: options, crop: crop, onProgress: progress.show)
        progress.erase()
        let map = try SelectionMap(picture, selection, llava, crop: crop)
        try map.write(to: output)
        if !quiet { StandardError.print(map.summary) }
    }
}
