// SPDX-License-Identifier: Apache-2.0

// The types of lower modules that users of the library name. They see no others.
@_exported import struct Generation.Answer
@_exported import struct Generation.GenerationOptions
@_exported import struct Generation.GenerationStatistics
@_exported import struct Generation.PictureSelection
@_exported import enum Generation.PromptProgress
@_exported import struct Generation.PruningOptions
@_exported import struct Generation.SamplingOptions
@_exported import struct Generation.StageRecord
@_exported import class Generation.StageRecorder
@_exported import struct Imaging.Picture
@_exported import enum Imaging.PictureDecoder
@_exported import struct Imaging.PixelSize
@_exported import enum Imaging.ResamplingFilter
@_exported import enum Imaging.Transparency
@_exported import struct Pictures.VisionLimits
@_exported import enum TensorOps.ActivationMode
@_exported import enum TensorOps.BlockEncoding
@_exported import enum TensorOps.CacheFormat
@_exported import struct TensorOps.Position
@_exported import enum TokenPruning.AlignmentMetric
@_exported import struct TokenPruning.AutomaticRule
@_exported import enum TokenPruning.KeepBudget
@_exported import struct TokenPruning.SelectorOptions
@_exported import enum TokenPruning.TokenMerging
@_exported import enum TokenPruning.TokenSelectors
@_exported import enum Tokenization.ChatTemplate
@_exported import typealias Tokenization.TokenID
@_exported import class Weights.Cancellation
@_exported import enum Weights.LoadProgress
@_exported import enum Weights.Release
@_exported import enum Weights.VisionPrecision
